#pragma once

#include <cstdint>
#include <vector>

#include "anatomy.hpp"
#include "cycle.hpp"
#include "raster.hpp"
#include "rng.hpp"

namespace echopath::phantom {

/// The scatterers of one patient: material positions, how each moves, how strongly it echoes.
class Scatterers {
 public:
  Scatterers(const PatientParameters& patient, const Anatomy& anatomy);

  int count() const { return static_cast<int>(x_.size()); }
  /// Positions (mm) and echo amplitudes in a state of the heart; arrays of `count()`.
  void move(const CycleState& state, float* x, float* y, float* weight) const;

 private:
  enum class Kind { kTissue, kBlood, kStill };
  void add(Point material, float amplitude, Kind kind);
  void add_volume(const PatientParameters& patient, const Anatomy& anatomy, const Raster& map);
  void add_interfaces(const PatientParameters& patient, const Anatomy& anatomy, const Raster& map);
  void add_interface(const Curve& curve, bool closed, float level_db, float thickness,
                     float diffuse, float patch_db, const Raster* walls = nullptr);
  void add_near_field(const PatientParameters& patient);
  void add_haze(const PatientParameters& patient);

  const Anatomy& anatomy_;
  Rng rng_;
  std::vector<float> x_, y_, amplitude_, elevation_;
  std::vector<float> heart_share_, blood_share_;  // of the slip through the plane
  std::vector<float> breathing_;                  // share of the breathing motion
  std::vector<float> field_[2 * kModeCount];
};

/// The valve leaflets: too thin and too quick for the motion field, so they are placed anew each
/// frame between hinges that move with it.
class Leaflets {
 public:
  Leaflets(const PatientParameters& patient, const Anatomy& anatomy);

  int count() const { return static_cast<int>(grains_.size()); }
  void move(const CycleState& state, float* x, float* y, float* weight) const;

 private:
  struct Grain {
    int leaflet;   // mitral septal, mitral lateral, tricuspid septal, tricuspid lateral
    float along;   // 0 hinge … 1 tip
    float across;  // mm
    float amplitude;
  };
  const Anatomy& anatomy_;
  std::vector<Grain> grains_;
  std::array<float, 4> length_;
};

}  // namespace echopath::phantom
