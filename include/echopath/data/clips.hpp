#pragma once

#include <cstdint>
#include <vector>

namespace echopath::data {

/// Source frame of every frame after resampling `count` frames from `fps_in` to `fps_out`: frame k
/// shows the time k/fps_out, taken from the nearest source frame (half to even), for as long as the
/// source lasts. At least one frame.
std::vector<std::int64_t> resample_indices(std::int64_t count, double fps_in, double fps_out);

/// The same as EchoNet-Synthetic's latent dataset does it: floor(fps_out/fps_in·count) frames at
/// the rounded (half to even) points of linspace(0, count, no end point), so that the rate is that
/// of the rounded count, shifted by a random start: `uniform` in [0, 1) picks it from [0,
/// indices[1]) where that is above 1. Points beyond the last frame are the last frame.
std::vector<std::int64_t> published_resample_indices(std::int64_t count, double fps_in,
                                                     double fps_out, double uniform);

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
