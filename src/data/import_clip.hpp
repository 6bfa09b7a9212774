#pragma once

#include <cstdint>
#include <vector>

#include "data/import_source.hpp"

namespace echopath::data {

enum class Aspect { kCrop, kLetterbox, kSquash };
enum class Intensity { kClip, kFrame, kNone };

/// How a decoded clip becomes a dataset video.
struct ClipOptions {
  std::int64_t size = 112;
  Aspect aspect = Aspect::kCrop;
  Intensity intensity = Intensity::kClip;
  bool mask_sector = true;
  double fps = 32.0;
  bool linear = false;  ///< blend neighbours in time, not the nearest frame
};

/// Grey → sector mask → square → intensity window → target rate. `source_fps` > 0 is the rate to
/// assume of the clip's frames. Throws DataError where the mask finds no ultrasound image.
io::Frames prepare_clip(const DecodedClip& clip, double source_fps, const ClipOptions& options);

}  // namespace echopath::data
