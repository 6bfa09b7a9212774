#pragma once

#include <cstdint>
#include <vector>

#include "echopath/io/frames.hpp"

namespace echopath::io {

/// How decoded pixels lie in memory.
struct ImageShape {
  std::int64_t columns = 0;
  std::int64_t rows = 0;
  std::int64_t frames = 0;
  int samples = 1;           ///< 1 or 3 per pixel
  int bytes_per_sample = 1;  ///< 1, 2 or 4, native byte order
  int bits_stored = 8;
  bool is_signed = false;
  bool planar = false;  ///< each frame is three planes, not interleaved triples
};

/// The grey value transform of the header: window where it has one, over rescaled values.
struct GreyScale {
  double slope = 1.0;
  double intercept = 0.0;
  bool has_window = false;
  double window_centre = 0.0;
  double window_width = 0.0;
};

enum class ColourSpace { kRgb, kYbrFull };

/// One sample to 8-bit grey. 8-bit files keep their values (`scale` is for more than 8 bits).
Frames to_grey8(const std::vector<char>& raw, const ImageShape& shape, const GreyScale& scale,
                bool invert);
/// Three samples to 8-bit RGB. YBR_FULL follows PS3.3 C.7.6.3.1.2.
Frames to_rgb8(const std::vector<char>& raw, const ImageShape& shape, ColourSpace space);

}  // namespace echopath::io
