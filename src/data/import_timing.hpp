#pragma once

#include <cstdint>
#include <vector>

namespace echopath::data {

/// One output frame: (1 − weight)·source[before] + weight·source[after].
struct TimePoint {
  std::int64_t before = 0;
  std::int64_t after = 0;
  double weight = 0.0;
};

/// When source frames were taken: evenly at `fps`, or at `seconds` (ascending) where given.
struct SourceTiming {
  std::int64_t count = 0;
  double fps = 0.0;
  std::vector<double> seconds;
};

/// The source frames that show the times 0, 1/target, 2/target… as long as the source lasts (its
/// last frame counts with a full interval). At least one point. Nearest: ties of an even rate go to
/// the even frame, as numpy rounds; of uneven times to the earlier one.
std::vector<TimePoint> resample_in_time(const SourceTiming& timing, double target_fps, bool linear);

}  // namespace echopath::data
