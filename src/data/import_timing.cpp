#include "data/import_timing.hpp"

#include <algorithm>
#include <cmath>

namespace echopath::data {
namespace {

/// Guards the floor below against 1/fps not being exact: 64 frames at 32 stay 64 at 32.
constexpr double kFrameTolerance = 1e-6;

/// The position of a time among unevenly spaced frames, in frames.
double position_among(const std::vector<double>& times, double seconds) {
  const auto next = std::upper_bound(times.begin(), times.end(), seconds);
  if (next == times.begin()) return 0.0;
  const auto index = static_cast<double>(next - times.begin() - 1);
  if (next == times.end()) return index;
  return index + (seconds - *(next - 1)) / (*next - *(next - 1));
}

double length_of(const SourceTiming& timing) {
  if (timing.seconds.empty()) return static_cast<double>(timing.count) / timing.fps;
  const double span = timing.seconds.back() - timing.seconds.front();
  return span * static_cast<double>(timing.count) / static_cast<double>(timing.count - 1);
}

std::int64_t nearest_frame(const SourceTiming& timing, double position) {
  // nearbyint rounds half to even in the default rounding mode.
  if (timing.seconds.empty()) return static_cast<std::int64_t>(std::nearbyint(position));
  return static_cast<std::int64_t>(std::ceil(position - 0.5));
}

}  // namespace

std::vector<TimePoint> resample_in_time(const SourceTiming& timing, double target_fps,
                                        bool linear) {
  if (timing.count < 2) return {TimePoint{}};
  const double wanted = std::floor(length_of(timing) * target_fps + kFrameTolerance);
  const auto count = std::max<std::int64_t>(1, static_cast<std::int64_t>(wanted));
  const std::int64_t last = timing.count - 1;
  std::vector<TimePoint> points;
  points.reserve(static_cast<std::size_t>(count));
  for (std::int64_t k = 0; k < count; ++k) {
    // Multiplied before it is divided, so that 50 → 32 fps meets its halves exactly.
    const double position =
        timing.seconds.empty()
            ? static_cast<double>(k) * timing.fps / target_fps
            : position_among(timing.seconds,
                             timing.seconds.front() + static_cast<double>(k) / target_fps);
    TimePoint point;
    if (linear) {
      point.before = std::min(static_cast<std::int64_t>(position), last);
      point.after = std::min(point.before + 1, last);
      point.weight = std::min(position - static_cast<double>(point.before), 1.0);
    } else {
      point.before = point.after = std::min(nearest_frame(timing, position), last);
    }
    points.push_back(point);
  }
  return points;
}

}  // namespace echopath::data
