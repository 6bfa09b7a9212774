#pragma once

#include <cstdint>
#include <vector>

namespace echopath::data {

/// Source frame of every frame after resampling `count` frames from `fps_in` to `fps_out`: frame k
/// shows the time k/fps_out, taken from the nearest source frame (half to even), for as long as the
/// source lasts. At least one frame.
std::vector<std::int64_t> resample_indices(std::int64_t count, double fps_in, double fps_out);

/// Where a clip starts and how many of its frames the video has; the rest is padding.
struct Clip {
  std::int64_t start = 0;
  std::int64_t valid = 0;
};

/// The clip of `length` frames that the number `uniform` in [0, 1) picks from a video of `count`
/// frames. Every valid start is equally likely; with `include_last_start` false the last one is
/// never chosen (the published code).
Clip choose_clip(std::int64_t count, std::int64_t length, double uniform,
                 bool include_last_start = true);

}  // namespace echopath::data
