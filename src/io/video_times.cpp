#include "io/video_times.hpp"

#include <algorithm>
#include <cmath>

namespace echopath::io {
namespace {

/// Guards comparisons of times that are sums of ticks.
constexpr double kSameTime = 1e-9;

}  // namespace

FrameTimes settle_times(std::vector<double> seconds, double tick, double stated_fps) {
  const bool complete = std::none_of(seconds.begin(), seconds.end(),
                                     [](double second) { return std::isnan(second); });
  const bool usable = seconds.size() > 1 && complete &&
                      std::is_sorted(seconds.begin(), seconds.end()) &&
                      seconds.back() > seconds.front();
  if (!usable) return {stated_fps, {}};
  const double first = seconds.front();
  for (double& second : seconds) second -= first;
  const auto steps = static_cast<double>(seconds.size() - 1);
  const double step = seconds.back() / steps;
  // Where a tick is as long as a frame (AVI), a frame left out must not pass for rounding.
  const double rounding = (tick < step / 2.0 ? tick : 0.0) + kSameTime;
  for (std::size_t i = 0; i < seconds.size(); ++i) {
    if (std::abs(seconds[i] - static_cast<double>(i) * step) > rounding) {
      return {1.0 / step, std::move(seconds)};
    }
  }
  const bool fits = stated_fps > 0.0 && std::abs(seconds.back() - steps / stated_fps) <= rounding;
  return {fits ? stated_fps : 1.0 / step, {}};
}

}  // namespace echopath::io
