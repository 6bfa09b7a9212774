#include "echopath/evaluation/motion_report.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/data/heartbeat.hpp"
#include "echopath/evaluation/seams.hpp"
#include "echopath/io/csv.hpp"
#include "evaluation/block_plan.hpp"
#include "evaluation/set_pair.hpp"
#include "evaluation/trace_summary.hpp"

namespace echopath::evaluation {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
constexpr double kSteady = 0.15;

struct MeasuredVideo {
  std::string name, class_name, patient;
  data::Heartbeat beat;
  SeamFigures seams;
  std::int64_t seam_count = 0;
};

double rate_of(const io::Frames& frames, const VideoItem& video) {
  if (frames.fps > 0.0) return frames.fps;
  throw DataError("'" + video.path.string() +
                  "' states no frame rate; write it into the FPS column of FileList.csv");
}

std::vector<MeasuredVideo> measure(const std::vector<VideoItem>& videos, const BlockPlan& plan,
                                   bool synthetic, Progress& progress, std::int64_t done) {
  std::vector<MeasuredVideo> measured;
  for_each_video(videos, 1, [&](std::size_t index, const io::Frames& frames) {
    const VideoItem& video = videos[index];
    const Blocks blocks = synthetic ? plan.of(video.name) : plan.usual();
    const auto ranges = block_ranges(frames.count, blocks.length, blocks.context);
    const data::CoarseVideo coarse = data::make_coarse(frames);
    measured.push_back({video.name, video.class_name, video.patient,
                        data::measure_heartbeat(coarse, rate_of(frames, video), ranges),
                        measure_seams(frames, coarse, ranges, blocks.fade),
                        std::max<std::int64_t>(0, static_cast<std::int64_t>(ranges.size()) - 1)});
    progress.update(done + static_cast<std::int64_t>(index) + 1);
  });
  return measured;
}

/// The true rates in a phantom dataset's phantom.csv, by video.
std::map<std::string, double> true_rates(const std::string& directory) {
  std::map<std::string, double> rates;
  const fs::path path = fs::path(directory) / "phantom.csv";
  if (!fs::is_regular_file(path)) return rates;
  const io::CsvTable table = io::read_csv(path);
  const auto name = static_cast<std::size_t>(table.require_column("FileName"));
  const auto rate = static_cast<std::size_t>(table.require_column("HeartRate"));
  for (const auto& row : table.rows) {
    try {
      rates[fs::path(row[name]).stem().string()] = std::stod(row[rate]);
    } catch (const std::logic_error&) {
      throw DataError("'" + path.string() + "': HeartRate of " + row[name] + " is no number");
    }
  }
  return rates;
}

SeamSummary summarise(const std::vector<MeasuredVideo>& videos) {
  SeamSummary summary;
  summary.videos = static_cast<std::int64_t>(videos.size());
  std::vector<std::string> groups;
  std::int64_t reversed_inside = 0;
  for (const MeasuredVideo& video : videos) {
    groups.push_back(video.patient);
    summary.seams += video.seam_count;
    summary.moving_seams += video.seams.moving_seams;
    summary.moving_inside += video.seams.moving_inside;
    reversed_inside += video.seams.reversed_inside;
  }
  summary.reversed_inside =
      summary.moving_inside == 0
          ? kNotANumber
          : static_cast<double>(reversed_inside) / static_cast<double>(summary.moving_inside);
  summary.change_ratio = grouped_bootstrap(groups, [&](const std::vector<std::size_t>& rows) {
    double at_seams = 0.0, inside = 0.0;
    for (const std::size_t row : rows) {
      if (videos[row].seam_count == 0) continue;
      at_seams += videos[row].seams.change_at_seams;
      inside += videos[row].seams.change_inside;
    }
    return inside > 0.0 ? at_seams / inside : kNotANumber;
  });
  summary.largest_step = grouped_bootstrap(groups, [&](const std::vector<std::size_t>& rows) {
    std::vector<double> by_step;
    double inside = 0.0;
    for (const std::size_t row : rows) {
      const SeamFigures& seams = videos[row].seams;
      if (seams.change_by_step.empty()) continue;
      by_step.resize(std::max(by_step.size(), seams.change_by_step.size()));
      for (std::size_t j = 0; j < seams.change_by_step.size(); ++j) {
        by_step[j] += seams.change_by_step[j];
      }
      inside += seams.change_inside;
    }
    return inside > 0.0 ? *std::max_element(by_step.begin(), by_step.end()) / inside : kNotANumber;
  });
  summary.reversed = grouped_bootstrap(groups, [&](const std::vector<std::size_t>& rows) {
    double moving = 0.0, reversed = 0.0;
    for (const std::size_t row : rows) {
      moving += static_cast<double>(videos[row].seams.moving_seams);
      reversed += static_cast<double>(videos[row].seams.reversed_seams);
    }
    return moving > 0.0 ? reversed / moving : kNotANumber;
  });
  return summary;
}

/// The lowest and highest rate of the real set.
void find_range(MotionReport& report, const std::vector<MeasuredVideo>& real,
                const std::map<std::string, double>& truth) {
  std::vector<double> rates, errors;
  for (const auto& [name, rate] : truth) rates.push_back(rate);
  report.range_source = rates.empty() ? "measured" : "phantom.csv";
  for (const MeasuredVideo& video : real) {
    if (!video.beat.clear) continue;
    if (truth.empty()) rates.push_back(video.beat.beats_per_minute);
    const auto known = truth.find(video.name);
    if (known == truth.end()) continue;
    errors.push_back(std::abs(video.beat.beats_per_minute / known->second - 1.0));
  }
  report.known_rates = static_cast<std::int64_t>(errors.size());
  report.rate_error = errors.empty() ? kNotANumber : percentile(errors, 50.0);
  report.lowest_rate = rates.empty() ? kNotANumber : percentile(rates, 0.0);
  report.highest_rate = rates.empty() ? kNotANumber : percentile(rates, 100.0);
}

VideoFigures figures_of(const std::vector<MeasuredVideo>& videos,
                        double (*value)(const data::Heartbeat&, const MotionReport&),
                        const MotionReport& report) {
  VideoFigures figures;
  for (const MeasuredVideo& video : videos) {
    figures.add(value(video.beat, report), video.class_name, video.patient);
  }
  return figures;
}

double clear_beat(const data::Heartbeat& beat, const MotionReport& /*report*/) {
  return beat.clear ? 1.0 : 0.0;
}
double heart_rate(const data::Heartbeat& beat, const MotionReport& /*report*/) {
  return beat.clear ? beat.beats_per_minute : kNotANumber;
}
double rate_variation(const data::Heartbeat& beat, const MotionReport& /*report*/) {
  return beat.clear ? beat.variation : kNotANumber;
}
double steady_beat(const data::Heartbeat& beat, const MotionReport& /*report*/) {
  return beat.clear && beat.variation < kSteady ? 1.0 : 0.0;
}
/// A rate measured to 2 % may lie that far outside.
double rate_in_range(const data::Heartbeat& beat, const MotionReport& report) {
  constexpr double kAllowed = 0.02;
  return beat.clear && beat.beats_per_minute >= (1.0 - kAllowed) * report.lowest_rate &&
                 beat.beats_per_minute <= (1.0 + kAllowed) * report.highest_rate
             ? 1.0
             : 0.0;
}
double whole_beat(const data::Heartbeat& beat, const MotionReport& report) {
  return steady_beat(beat, report) * rate_in_range(beat, report);
}

}  // namespace

MotionReport report_motion(const MotionOptions& options) {
  if (options.block_length < 2) throw UsageError("--block-length must be at least 2");
  if (!options.trace.empty() && options.synthetic.empty()) {
    throw UsageError("--trace goes with the sample directory of the same run: give --synthetic");
  }
  const SetPair sets =
      open_pair({options.real, options.synthetic, options.split, options.classes, options.limit});
  const BlockPlan plan(options.synthetic, options.block_length);
  const auto real_count = static_cast<std::int64_t>(sets.real.size());
  Progress progress("motion", real_count + static_cast<std::int64_t>(sets.synthetic.size()));
  const auto real = measure(sets.real, plan, false, progress, 0);
  const auto synthetic = measure(sets.synthetic, plan, true, progress, real_count);
  progress.finish();

  MotionReport report;
  find_range(report, real, true_rates(options.real));
  const auto compare = [&](const FigureName& name,
                           double (*value)(const data::Heartbeat&, const MotionReport&)) {
    report.figures.push_back(compare_by_class(name, figures_of(real, value, report),
                                              figures_of(synthetic, value, report), sets.classes));
  };
  compare({"clear_beat", ""}, &clear_beat);
  compare({"heart_rate", "/min"}, &heart_rate);
  compare({"rate_variation", ""}, &rate_variation);
  compare({"steady_beat", ""}, &steady_beat);
  compare({"rate_in_range", ""}, &rate_in_range);
  compare({"whole_beat", ""}, &whole_beat);
  report.real_seams = summarise(real);
  report.synthetic_seams = summarise(synthetic);
  if (!options.trace.empty()) {
    report.trace = summarise_trace(options.trace, plan.usual());
  }
  return report;
}

config::Json SeamSummary::to_json() const {
  return {{"videos", videos},
          {"seams", seams},
          {"change_ratio", evaluation::to_json(change_ratio)},
          {"largest_step", evaluation::to_json(largest_step)},
          {"moving_seams", moving_seams},
          {"reversed", evaluation::to_json(reversed)},
          {"moving_inside", moving_inside},
          {"reversed_inside", number_or_null(reversed_inside)}};
}

config::Json MotionReport::to_json() const {
  config::Json list = config::Json::array();
  for (const FigureComparison& figure : figures) list.push_back(figure.to_json());
  config::Json json = {
      {"figures", list},
      {"heart_rate_range",
       {{"low", number_or_null(lowest_rate)},
        {"high", number_or_null(highest_rate)},
        {"source", range_source}}},
      {"heart_rate_error", {{"videos", known_rates}, {"median", number_or_null(rate_error)}}},
      {"seams", {{"real", real_seams.to_json()}, {"synthetic", synthetic_seams.to_json()}}}};
  if (trace) json["trace"] = trace->to_json();
  return json;
}

}  // namespace echopath::evaluation
