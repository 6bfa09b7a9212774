#pragma once

#include <string>

#include "echopath/core/errors.hpp"
#include "echopath/data/dataset.hpp"

namespace echopath::training {

/// What the frames of a video must be.
struct FrameSize {
  std::string key;  ///< of the option that says so
  std::int64_t size = 0;
};

/// Throws DataError unless frames of a video are squares of `wanted.size` pixels.
inline void require_frame_size(const data::Study& study, std::int64_t height, std::int64_t width,
                               const FrameSize& wanted) {
  if (height == wanted.size && width == wanted.size) return;
  throw DataError("'" + study.file_name + "' has frames " + std::to_string(width) + " wide and " +
                  std::to_string(height) + " high, but " + wanted.key + " is " +
                  std::to_string(wanted.size) + "; `echopath import --size " +
                  std::to_string(wanted.size) + "` makes videos of that size");
}

}  // namespace echopath::training
