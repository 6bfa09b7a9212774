#include "echopath/data/clips.hpp"

#include <algorithm>
#include <cmath>

namespace echopath::data {

std::vector<std::int64_t> resample_indices(std::int64_t count, double fps_in, double fps_out) {
  const auto wanted = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::floor(fps_out / fps_in * static_cast<double>(count))));
  std::vector<std::int64_t> indices(static_cast<std::size_t>(wanted));
  const double step = static_cast<double>(count) / static_cast<double>(wanted);
  for (std::int64_t i = 0; i < wanted; ++i) {
    // nearbyint rounds half to even in the default rounding mode, as numpy does.
    const auto index = static_cast<std::int64_t>(std::nearbyint(step * static_cast<double>(i)));
    indices[static_cast<std::size_t>(i)] = std::min(index, count - 1);
  }
  return indices;
}

Clip choose_clip(std::int64_t count, std::int64_t length, double uniform, bool include_last_start) {
  if (count <= length) return {0, count};
  const std::int64_t starts =
      std::max<std::int64_t>(1, count - length + (include_last_start ? 1 : 0));
  const auto start = static_cast<std::int64_t>(uniform * static_cast<double>(starts));
  return {std::min(start, starts - 1), length};
}

}  // namespace echopath::data
