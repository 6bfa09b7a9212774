#include "echopath/evaluation/compare_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/evaluation/frechet.hpp"
#include "echopath/evaluation/jackknife.hpp"
#include "echopath/evaluation/video_set.hpp"
#include "echopath/generation/manifest.hpp"
#include "evaluation/frame_features.hpp"

namespace echopath::evaluation {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

/// The frames of a set, and of each fold of its videos.
struct FoldedStatistics {
  FoldedStatistics(std::int64_t folds, std::int64_t width) : all(width) {
    // One by one: copies would share their sums.
    for (std::int64_t fold = 0; fold < folds; ++fold) by_fold.emplace_back(width);
  }

  void add(std::int64_t fold, const at::Tensor& features) {
    all.add(features);
    by_fold[static_cast<std::size_t>(fold)].add(features);
  }
  /// Without one fold; −1: all.
  FeatureStatistics without(std::int64_t fold) const {
    return fold < 0 ? all : all.without(by_fold[static_cast<std::size_t>(fold)]);
  }
  std::int64_t folds() const { return static_cast<std::int64_t>(by_fold.size()); }

  FeatureStatistics all;
  std::vector<FeatureStatistics> by_fold;
};

/// The fold of each video; those of one patient are in one fold.
std::vector<std::int64_t> folds_of(const std::vector<VideoItem>& videos, std::int64_t folds) {
  std::map<std::string, std::int64_t> fold_of_patient;
  std::vector<std::int64_t> result;
  for (const VideoItem& video : videos) {
    const auto next = static_cast<std::int64_t>(fold_of_patient.size()) % folds;
    result.push_back(fold_of_patient.try_emplace(video.patient, next).first->second);
  }
  return result;
}

std::int64_t patients_in(const std::vector<VideoItem>& videos) {
  std::map<std::string, int> seen;
  for (const VideoItem& video : videos) seen[video.patient] = 1;
  return static_cast<std::int64_t>(seen.size());
}

/// A figure of the real set and arms, with the interval from leaving folds out of either.
template <class Figure>
Interval with_interval(const Figure& figure, std::int64_t real_folds, std::int64_t arm_folds) {
  LeftOut real, arms;
  for (std::int64_t fold = 0; fold < real_folds; ++fold) {
    real.values.push_back(figure(fold, -1));
    real.rows.push_back(1);
  }
  for (std::int64_t fold = 0; fold < arm_folds; ++fold) {
    arms.values.push_back(figure(-1, fold));
    arms.rows.push_back(1);
  }
  const Estimate estimate = jackknife(figure(-1, -1), {real, arms}, 0.95, false);
  if (!estimate.has_interval) return {estimate.value, kNotANumber, kNotANumber};
  return {estimate.value, estimate.low, estimate.high};
}

void require_pairs(const std::vector<VideoSet>& sets, const CompareOptions& options) {
  for (std::size_t arm = 1; arm < sets.size(); ++arm) {
    const auto& first = sets[0].videos();
    const auto& videos = sets[arm].videos();
    const bool fits =
        first.size() == videos.size() &&
        std::equal(first.begin(), first.end(), videos.begin(),
                   [](const auto& a, const auto& b) { return a.class_name == b.class_name; });
    if (fits) continue;
    throw DataError("arm " + options.arms[arm].first + " has " + std::to_string(videos.size()) +
                    " videos and " + options.arms[0].first + " " + std::to_string(first.size()) +
                    ", or they are of other classes; paired arms have the same ones in the same "
                    "order");
  }
}

/// The seed of each video; none where no manifest tells it.
std::vector<std::optional<std::uint64_t>> seeds_of(const VideoSet& set) {
  std::map<std::string, std::uint64_t> known;
  if (set.is_sampled()) {
    for (const auto& entry : generation::read_manifest(set.directory() / generation::kManifest)) {
      known[std::filesystem::path(entry.file).stem().string()] = entry.seed;
    }
  }
  std::vector<std::optional<std::uint64_t>> seeds;
  for (const VideoItem& video : set.videos()) {
    const auto found = known.find(video.name);
    seeds.push_back(found == known.end() ? std::nullopt : std::optional(found->second));
  }
  return seeds;
}

/// Refuses arms whose videos of one place have other seeds, as far as manifests tell them, and
/// warns where they do not. The arms are of one size.
void require_same_seeds(const std::vector<VideoSet>& sets, const CompareOptions& options) {
  const auto first = seeds_of(sets[0]);
  for (std::size_t arm = 0; arm < sets.size(); ++arm) {
    const auto seeds = seeds_of(sets[arm]);
    bool told = true;
    for (std::size_t i = 0; i < seeds.size(); ++i) {
      told = told && seeds[i].has_value();
      if (!seeds[i] || !first[i] || *seeds[i] == *first[i]) continue;
      throw DataError("arm " + options.arms[arm].first + " has video " +
                      sets[arm].videos()[i].name + " of seed " + std::to_string(*seeds[i]) +
                      " where " + options.arms[0].first + " has " + sets[0].videos()[i].name +
                      " of seed " + std::to_string(*first[i]) +
                      "; paired arms have the same seeds: sample them with one --seed");
    }
    if (told) continue;
    log_warning("no manifest.jsonl tells the seeds of all videos of arm " +
                options.arms[arm].first + "; the intervals of differences hold for equal seeds");
  }
}

}  // namespace

CompareReport report_compare(const CompareOptions& options) {
  if (options.arms.size() < 2) throw UsageError("give two arms at least: --arm NAME=DIR");
  if (options.folds < 2) throw UsageError("--folds must be at least 2");
  if (options.frames < 0) throw UsageError("--frames must not be below 0");
  const VideoSet real_set = VideoSet::open(options.real, {options.split, {}, true});
  std::vector<VideoSet> sets;
  for (const auto& [name, directory] : options.arms) sets.push_back(VideoSet::open(directory));
  require_pairs(sets, options);
  require_same_seeds(sets, options);
  DetectorOptions wanted;
  wanted.what = options.detector;
  wanted.model = options.model;
  wanted.device = parse_device(options.device);
  const std::unique_ptr<Detector> detector = make_detector(wanted);
  CompareReport report;
  report.detector = detector->description();
  const auto channels = static_cast<int>(report.detector.channels);
  const auto videos = static_cast<std::int64_t>(sets[0].videos().size());
  Progress progress("compare", static_cast<std::int64_t>(real_set.videos().size()) +
                                   videos * static_cast<std::int64_t>(sets.size()));
  std::int64_t done = 0;
  const auto gather = [&](const std::vector<VideoItem>& items, std::int64_t limit) {
    const std::int64_t folds = std::min(options.folds, patients_in(items));
    const std::vector<std::int64_t> fold = folds_of(items, folds);
    FoldedStatistics statistics(folds, report.detector.width);
    for_each_video(items, channels, [&](std::size_t index, const io::Frames& frames) {
      const std::int64_t count = limit == 0 ? frames.count : std::min(limit, frames.count);
      statistics.add(fold[index], frame_features(*detector, frames, {0, count}));
      progress.update(++done);
    });
    return statistics;
  };
  const FoldedStatistics real = gather(real_set.videos(), 0);
  report.real_videos = static_cast<std::int64_t>(real_set.videos().size());
  report.real_frames = real.all.count();
  std::vector<FoldedStatistics> arms;
  for (const VideoSet& set : sets) arms.push_back(gather(set.videos(), options.frames));
  progress.finish();
  for (std::size_t i = 0; i < arms.size(); ++i) {
    ArmRow row{options.arms[i].first, videos, arms[i].all.count(), {}, {}};
    const auto distance = [&](std::size_t arm, std::int64_t r, std::int64_t s) {
      return frechet_distance(real.without(r), arms[arm].without(s));
    };
    row.frechet = with_interval([&](auto r, auto s) { return distance(i, r, s); }, real.folds(),
                                arms[i].folds());
    row.frechet.low = std::max(row.frechet.low, 0.0);  // no distance is below 0
    row.difference = {kNotANumber, kNotANumber, kNotANumber};
    if (i > 0) {
      row.difference =
          with_interval([&](auto r, auto s) { return distance(i, r, s) - distance(0, r, s); },
                        real.folds(), arms[i].folds());
    }
    report.arms.push_back(row);
  }
  return report;
}

config::Json CompareReport::to_json() const {
  config::Json rows = config::Json::array();
  for (const ArmRow& row : arms) {
    rows.push_back({{"name", row.name},
                    {"videos", row.videos},
                    {"frames", row.frames},
                    {"frechet", evaluation::to_json(row.frechet)},
                    {"difference", evaluation::to_json(row.difference)}});
  }
  return {{"detector", {{"name", detector.name}, {"sha256", detector.hash}}},
          {"real", {{"videos", real_videos}, {"frames", real_frames}}},
          {"arms", rows}};
}

std::string CompareReport::to_text() const {
  char line[240];
  std::snprintf(line, sizeof line, "detector %s; %lld real frames of %lld videos\n",
                detector.name.c_str(), static_cast<long long>(real_frames),
                static_cast<long long>(real_videos));
  std::string text = line;
  for (const ArmRow& row : arms) {
    std::snprintf(line, sizeof line, "%-16s %4lld videos  Frechet distance %9.4f [%.4f, %.4f]",
                  row.name.c_str(), static_cast<long long>(row.videos), row.frechet.estimate,
                  row.frechet.low, row.frechet.high);
    text += line;
    if (!std::isnan(row.difference.estimate)) {
      std::snprintf(line, sizeof line, "  less the first arm's %+9.4f [%+.4f, %+.4f]",
                    row.difference.estimate, row.difference.low, row.difference.high);
      text += line;
    }
    text += "\n";
  }
  return text;
}

}  // namespace echopath::evaluation
