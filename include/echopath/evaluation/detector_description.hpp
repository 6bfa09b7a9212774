#pragma once

#include <cstdint>
#include <string>

namespace echopath::evaluation {

/// What a detector is, and what it takes. Figures of different detectors cannot be compared, so
/// every result names its detector and hash.
struct DetectorDescription {
  std::string name;
  std::string hash;               ///< SHA-256 of its weights
  std::string preprocessing;      ///< what is done to pixels beside what the weights say: a resize
  bool takes_clips = false;       ///< whole clips, or single frames
  std::int64_t channels = 1;      ///< of the frames: 1 grey, 3 RGB
  std::int64_t frame_size = 0;    ///< height and width they must have; 0 for any
  std::int64_t least_frames = 1;  ///< of a clip
  std::int64_t width = 0;         ///< of the features
  std::int64_t classes = 0;       ///< whose probabilities it tells; 0 for none
};

}  // namespace echopath::evaluation
