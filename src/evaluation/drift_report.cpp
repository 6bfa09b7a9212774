#include "echopath/evaluation/drift_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/evaluation/frechet.hpp"
#include "echopath/evaluation/jackknife.hpp"
#include "echopath/evaluation/seams.hpp"
#include "evaluation/block_plan.hpp"
#include "evaluation/frame_features.hpp"
#include "evaluation/set_pair.hpp"

namespace echopath::evaluation {
namespace {

/// Groups of videos that the jackknife leaves out in turn.
constexpr std::int64_t kFolds = 16;

double mean_grey(const io::Frames& frames, const data::FrameRange& range) {
  double sum = 0.0;
  const std::uint8_t* begin = frames.frame(range.begin);
  const std::uint8_t* end = frames.frame(range.end);
  for (const std::uint8_t* pixel = begin; pixel != end; ++pixel) sum += *pixel;
  return sum / static_cast<double>(end - begin);
}

/// One block of all synthetic videos, and of each fold of them.
struct BlockSums {
  BlockSums(std::int64_t folds, std::int64_t width) : all(width) {
    // One by one: copies would share their sums.
    for (std::int64_t fold = 0; fold < folds; ++fold) by_fold.emplace_back(width);
  }

  FeatureStatistics all;
  std::vector<FeatureStatistics> by_fold;
  std::vector<double> brightness;  ///< of each video
};

class BlockTable {
 public:
  BlockTable(std::int64_t videos, std::int64_t width)
      : folds_(std::min(kFolds, videos)), width_(width) {}

  void add(std::int64_t video, std::size_t block, const at::Tensor& features, double brightness) {
    if (block == sums_.size()) sums_.emplace_back(folds_, width_);
    BlockSums& sums = sums_.at(block);
    sums.all.add(features);
    sums.by_fold[static_cast<std::size_t>(video % folds_)].add(features);
    sums.brightness.push_back(brightness);
  }

  std::size_t blocks() const { return sums_.size(); }
  std::int64_t folds() const { return folds_; }
  const std::vector<double>& brightness(std::size_t block) const { return sums_[block].brightness; }

  /// The features of a block, all folds but one (−1: all).
  FeatureStatistics features(std::size_t block, std::int64_t left_out = -1) const {
    const BlockSums& sums = sums_[block];
    if (left_out < 0) return sums.all;
    return sums.all.without(sums.by_fold[static_cast<std::size_t>(left_out)]);
  }

 private:
  std::int64_t folds_;
  std::int64_t width_;
  std::vector<BlockSums> sums_;
};

Interval frechet_growth(const BlockTable& table, const FeatureStatistics& real) {
  const auto growth = [&](std::int64_t left_out) {
    const double first = frechet_distance(real, table.features(0, left_out));
    return frechet_distance(real, table.features(table.blocks() - 1, left_out)) / first - 1.0;
  };
  LeftOut side;
  for (std::int64_t fold = 0; fold < table.folds() && table.folds() > 1; ++fold) {
    side.values.push_back(growth(fold));
    side.rows.push_back(1);
  }
  const Estimate estimate = jackknife(growth(-1), {side}, 0.95, /*centre_corrected=*/false);
  if (!estimate.has_interval) return {estimate.value, NAN, NAN};
  return {estimate.value, estimate.low, estimate.high};
}

Interval brightness_growth(const BlockTable& table, const std::vector<std::string>& patients) {
  const auto& first = table.brightness(0);
  const auto& last = table.brightness(table.blocks() - 1);
  return grouped_bootstrap(patients, [&](const std::vector<std::size_t>& rows) {
    double before = 0.0, after = 0.0;
    for (const std::size_t row : rows) {
      before += first[row];
      after += last[row];
    }
    return before > 0.0 ? after / before - 1.0 : NAN;
  });
}

}  // namespace

DriftReport report_drift(const DriftOptions& options) {
  if (options.synthetic.empty()) throw UsageError("--synthetic names the samples to look at");
  const SetPair sets =
      open_pair({options.real, options.synthetic, options.split, options.classes, options.limit});
  const BlockPlan plan(options.synthetic, options.block_length);
  DetectorOptions wanted;
  wanted.what = options.detector;
  wanted.model = options.model;
  wanted.device = parse_device(options.device);
  const std::unique_ptr<Detector> detector = make_detector(wanted);
  const auto channels = static_cast<int>(detector->description().channels);
  Progress progress("drift", static_cast<std::int64_t>(sets.real.size() + sets.synthetic.size()));
  std::int64_t done = 0;

  DriftReport report;
  report.detector = detector->description();
  FeatureStatistics real(report.detector.width);
  for_each_video(sets.real, channels, [&](std::size_t, const io::Frames& frames) {
    real.add(frame_features(*detector, frames, {0, frames.count}));
    progress.update(++done);
  });
  report.real_videos = static_cast<std::int64_t>(sets.real.size());
  report.real_frames = real.count();

  BlockTable table(static_cast<std::int64_t>(sets.synthetic.size()), report.detector.width);
  std::vector<std::string> patients;
  std::size_t common = 0;
  for_each_video(sets.synthetic, channels, [&](std::size_t index, const io::Frames& frames) {
    const VideoItem& video = sets.synthetic[index];
    const Blocks blocks = plan.of(video.name);
    const auto ranges = block_ranges(frames.count, blocks.length, blocks.context);
    if (ranges.size() < 2 || (index > 0 && ranges.size() != common)) {
      throw DataError("'" + video.path.string() + "' has " + std::to_string(ranges.size()) +
                      " blocks; drift is measured on videos of one number "
                      "of blocks, at least 2");
    }
    common = ranges.size();
    for (std::size_t k = 0; k < ranges.size(); ++k) {
      table.add(static_cast<std::int64_t>(index), k, frame_features(*detector, frames, ranges[k]),
                mean_grey(frames, ranges[k]));
    }
    patients.push_back(video.patient);
    progress.update(++done);
  });
  progress.finish();
  report.synthetic_videos = static_cast<std::int64_t>(sets.synthetic.size());
  for (std::size_t k = 0; k < table.blocks(); ++k) {
    const FeatureStatistics features = table.features(k);
    double sum = 0.0;
    for (const double grey : table.brightness(k)) sum += grey;
    report.blocks.push_back({features.count(), frechet_distance(real, features),
                             sum / static_cast<double>(table.brightness(k).size())});
  }
  report.frechet_growth = frechet_growth(table, real);
  report.brightness_growth = brightness_growth(table, patients);
  return report;
}

config::Json DriftReport::to_json() const {
  config::Json rows = config::Json::array();
  for (const BlockRow& row : blocks) {
    rows.push_back({{"frames", row.frames},
                    {"frechet", number_or_null(row.frechet)},
                    {"brightness", number_or_null(row.brightness)}});
  }
  return {{"detector", {{"name", detector.name}, {"sha256", detector.hash}}},
          {"real", {{"videos", real_videos}, {"frames", real_frames}}},
          {"synthetic", {{"videos", synthetic_videos}}},
          {"blocks", rows},
          {"frechet_growth", evaluation::to_json(frechet_growth)},
          {"brightness_growth", evaluation::to_json(brightness_growth)}};
}

std::string DriftReport::to_text() const {
  char line[200];
  std::string text = "detector " + detector.name + "\n";
  for (std::size_t k = 0; k < blocks.size(); ++k) {
    std::snprintf(line, sizeof line,
                  "block %2zu  %6lld frames  Frechet distance to %lld real frames %9.4f  "
                  "brightness %7.2f\n",
                  k, static_cast<long long>(blocks[k].frames), static_cast<long long>(real_frames),
                  blocks[k].frechet, blocks[k].brightness);
    text += line;
  }
  const auto growth = [&](const char* name, const Interval& interval) {
    std::snprintf(line, sizeof line, "%s, first block to last: %+.1f %% [%+.1f, %+.1f]\n", name,
                  100.0 * interval.estimate, 100.0 * interval.low, 100.0 * interval.high);
    text += line;
  };
  growth("Frechet distance", frechet_growth);
  growth("brightness", brightness_growth);
  return text;
}

}  // namespace echopath::evaluation
