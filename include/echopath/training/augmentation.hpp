#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "echopath/config/options.hpp"
#include "echopath/core/random.hpp"

namespace echopath::training {

/// How training clips of a classifier are varied. What is drawn holds for all frames of a clip.
struct AugmentationOptions {
  bool temporal_start = true;
  std::int64_t shift = 0;
  double rotation = 0.0;
  double brightness = 0.0;
  double contrast = 0.0;
  double horizontal_flip = 0.0;
  void visit(config::Visitor& v);
};

/// What was drawn for one clip.
struct Augmentation {
  double start = 0.5;     ///< place of the clip in its video, in [0, 1)
  std::int64_t down = 0;  ///< pixels; above 0: the image moves down
  std::int64_t right = 0;
  double degrees = 0.0;     ///< anticlockwise
  double brightness = 1.0;  ///< grey levels times this
  double contrast = 1.0;    ///< difference from the clip's mean grey level times this
  bool flip = false;        ///< left and right change places
};

/// Draws under `key`, each kind with a number of its own: switching one on or off leaves the others
/// as they are.
Augmentation draw_augmentation(const AugmentationOptions& options, const NoiseKey& key);

/// The clip [T, H, W], float, grey levels 0…255, moved and shaded; what comes in from outside is
/// black. Turned bilinearly about its middle; shifted by whole pixels.
at::Tensor augment(const at::Tensor& clip, const Augmentation& drawn);
/// Its label maps [T, H, W], float, moved the same way; turned to the nearest label, background
/// coming in.
at::Tensor augment_maps(const at::Tensor& maps, const Augmentation& drawn);

}  // namespace echopath::training
