#include "echopath/data/clips.hpp"

#include <algorithm>

#include "data/import_timing.hpp"

namespace echopath::data {

std::vector<std::int64_t> resample_indices(std::int64_t count, double fps_in, double fps_out) {
  std::vector<std::int64_t> indices;
  for (const TimePoint& point : resample_in_time({count, fps_in, {}}, fps_out, false)) {
    indices.push_back(point.before);
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
