#include "echopath/data/clips.hpp"

#include <algorithm>
#include <cmath>

#include "data/import_timing.hpp"

namespace echopath::data {

std::vector<std::int64_t> resample_indices(std::int64_t count, double fps_in, double fps_out) {
  std::vector<std::int64_t> indices;
  for (const TimePoint& point : resample_in_time({count, fps_in, {}}, fps_out, false)) {
    indices.push_back(point.before);
  }
  return indices;
}

std::vector<std::int64_t> published_resample_indices(std::int64_t count, double fps_in,
                                                     double fps_out, double uniform) {
  const auto wanted = std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::floor(fps_out / fps_in * static_cast<double>(count))));
  std::vector<std::int64_t> indices(static_cast<std::size_t>(wanted));
  const double step = static_cast<double>(count) / static_cast<double>(wanted);
  for (std::int64_t i = 0; i < wanted; ++i) {
    // nearbyint rounds half to even in the default rounding mode, as numpy does.
    indices[static_cast<std::size_t>(i)] =
        static_cast<std::int64_t>(std::nearbyint(step * static_cast<double>(i)));
  }
  const std::int64_t stride = wanted > 1 ? indices[1] : 1;
  const auto offset =
      stride > 1 ? static_cast<std::int64_t>(uniform * static_cast<double>(stride)) : 0;
  for (std::int64_t& index : indices) index = std::min(index + offset, count - 1);
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
