#include "evaluation/trace_summary.hpp"

#include <limits>
#include <map>

#include "echopath/core/errors.hpp"
#include "echopath/evaluation/seams.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::evaluation {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

double median_of(const std::vector<double>& values) {
  return values.empty() ? kNotANumber : percentile(values, 50.0);
}

/// Figures of some videos together.
TraceFigures gather(const std::vector<TraceFigures>& videos, const std::vector<std::size_t>& rows) {
  TraceFigures all;
  const auto append = [](std::vector<double>& to, const std::vector<double>& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  for (const std::size_t row : rows) {
    append(all.first_frame, videos[row].first_frame);
    append(all.last_given, videos[row].last_given);
    append(all.steps, videos[row].steps);
  }
  return all;
}

}  // namespace

TraceSummary summarise_trace(const std::filesystem::path& path, const Blocks& plan) {
  const io::SafetensorsFile file(path);
  // Names sort by video and block: "ASD_000003/block_0000".
  std::map<std::string, std::vector<at::Tensor>> blocks;
  for (const std::string& name : file.names()) {
    const std::size_t slash = name.find("/block_");
    if (slash == std::string::npos) continue;
    const at::Tensor block = file.tensor(name);
    if (block.dim() != 4 || plan.context < 1 || block.size(0) <= plan.context) {
      throw DataError(path.string() + ": " + name + " is no block of more than " +
                      std::to_string(plan.context) +
                      " frames [n, C, h, w]; is the manifest that of the same run?");
    }
    blocks[name.substr(0, slash)].push_back(block);
  }
  if (blocks.empty()) {
    throw DataError(path.string() +
                    " holds no blocks; `echopath sample --trace` writes them for its sampler of "
                    "blocks");
  }
  std::vector<TraceFigures> videos;
  std::vector<std::string> groups;
  std::vector<std::size_t> every;
  for (const auto& [name, parts] : blocks) {
    every.push_back(videos.size());
    videos.push_back(measure_trace(parts, plan.context, plan.fade));
    groups.push_back(name);
  }
  const TraceFigures all = gather(videos, every);
  TraceSummary summary;
  summary.videos = static_cast<std::int64_t>(videos.size());
  summary.seams = static_cast<std::int64_t>(all.first_frame.size());
  summary.context_frames = plan.context;
  summary.seam_fade = plan.fade;
  summary.first_frame = median_of(all.first_frame);
  summary.last_given = median_of(all.last_given);
  summary.step = median_of(all.steps);
  summary.ratio = grouped_bootstrap(groups, [&](const std::vector<std::size_t>& rows) {
    const TraceFigures some = gather(videos, rows);
    const double step = median_of(some.steps);
    return step > 0.0 ? median_of(some.first_frame) / step : kNotANumber;
  });
  return summary;
}

config::Json TraceSummary::to_json() const {
  return {{"videos", videos},
          {"seams", seams},
          {"context_frames", context_frames},
          {"seam_fade", seam_fade},
          {"median_first_frame", number_or_null(first_frame)},
          {"median_last_given", number_or_null(last_given)},
          {"median_step", number_or_null(step)},
          {"ratio", evaluation::to_json(ratio)}};
}

}  // namespace echopath::evaluation
