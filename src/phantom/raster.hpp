#pragma once

#include <cstdint>
#include <vector>

#include "anatomy.hpp"

namespace echopath::phantom {

/// A byte image over a part of the plane.
struct Raster {
  int width = 0, height = 0;
  float left = 0.0F, top = 0.0F;  ///< position of the corner of cell (0, 0)
  float spacing = 1.0F;
  std::vector<std::uint8_t> cells;

  /// The cell under a point; 0 outside.
  std::uint8_t at(Point p) const;
};

/// Sets the cells whose centre lies in the polygon (even–odd scan lines).
void fill_polygon(Raster& raster, const Curve& polygon, std::uint8_t value);

/// Smooth random field over a plane, about standard normal, correlated over `length` in units of
/// its coordinates.
class SmoothNoise {
 public:
  SmoothNoise(std::uint64_t seed, float length) : seed_(seed), length_(length) {}
  float at(float x, float y) const;

 private:
  std::uint64_t seed_;
  float length_;
};

}  // namespace echopath::phantom
