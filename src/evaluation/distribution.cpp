#include "echopath/evaluation/distribution.hpp"

#include <stdlib.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/distributed/environment.hpp"
#include "echopath/distributed/rendezvous.hpp"
#include "evaluation/distribution_rows.hpp"
#include "evaluation/feature_files.hpp"
#include "evaluation/sides.hpp"
#include "evaluation/warnings.hpp"

namespace echopath::evaluation {
namespace {

/// The processes wait for the slowest of them, and for rank 0's measuring.
constexpr auto kPatience = std::chrono::hours(48);

/// The options without the inception score, for a detector or a file that knows no class
/// probabilities, with a warning. Throws `error` where it is all that is asked for.
template <class ErrorType>
DistributionOptions without_inception(DistributionOptions options, const MetricNames& names,
                                      const ErrorType& error, std::vector<std::string>& warnings) {
  std::erase(options.metrics, names.inception);
  if (!wants_any(options, names)) throw error;
  warn(warnings, std::string(error.what()) + "; it is left out");
  return options;
}

/// What is asked for, less what the tool of --compat has not, with a warning that is not logged
/// yet. Throws UsageError where nothing is left, and on a single fold.
DistributionOptions checked(DistributionOptions options, std::vector<std::string>& warnings) {
  if (options.intervals.folds == 1) {
    throw UsageError(
        "--folds 1 makes no interval: without its only group of patients a side is empty; give 2 "
        "or more, or 0 for no intervals");
  }
  if (!wants(options, kFrameMetrics.inception) || has_inception_score(options.compat)) {
    return options;
  }
  const std::string told = "--compat " + options.compat + ": that tool has no inception score";
  std::erase(options.metrics, kFrameMetrics.inception);
  if (options.metrics.empty()) {
    throw UsageError(told + "; leave --compat out, or name another tool");
  }
  warnings.push_back(told + "; it is left out");
  return options;
}

void log_skipped(const FeatureTable& table, const std::string& side) {
  if (table.skipped.empty()) return;
  log_warning(std::to_string(table.skipped.size()) + " of " +
              std::to_string(table.skipped.size() + table.videos.size()) + " " + side +
              " videos are left out, the first '" + table.skipped.front().name + "', which " +
              table.skipped.front().reason);
}

/// Features through detectors, on one process or several.
class Extraction {
 public:
  Extraction(DistributionOptions options, const Sides& sides, const FeatureCache& cache,
             distributed::Rendezvous& rendezvous)
      : options_(std::move(options)), sides_(sides), cache_(cache), rendezvous_(rendezvous) {}

  void measure(const std::string& detector_name, const MetricNames& names,
               DistributionReport& report) {
    std::unique_ptr<Detector> detector;
    const bool with_real = sides_.real && needs_real(options_, names);
    const bool clips = names.item == "clip";
    const auto& environment = rendezvous_.environment();
    rendezvous_.together([&] {
      detector = make_detector({detector_name, clips, options_.model,
                                options_.protocol.inception_resize, parse_device(options_.device)});
      warn_of_resize(detector->description(), report);
      if (wants(options_, names.inception) && detector->description().classes == 0) {
        options_ = without_inception(
            options_, names,
            UsageError("detector '" + detector->description().name +
                       "' tells no class probabilities, which an inception score needs"),
            report.warnings);
      }
      const Share share{environment.rank, environment.world_size};
      if (with_real) cache_.fill(*sides_.real, *detector, options_of(Side::kReal, names), share);
      cache_.fill(*sides_.synthetic, *detector, options_of(Side::kSynthetic, names), share);
    });
    if (!environment.is_root()) return;
    Tables tables;
    if (with_real) {
      tables.real = cache_.collect(*sides_.real, *detector, options_of(Side::kReal, names));
      if (clips) tables.real = tables.real->first(options_.protocol.clips);
      log_skipped(*tables.real, "real");
    }
    tables.synthetic =
        cache_.collect(*sides_.synthetic, *detector, options_of(Side::kSynthetic, names));
    log_skipped(tables.synthetic, "synthetic");
    tables.synthetic = tables.synthetic.first(clips ? options_.protocol.clips
                                                    : options_.protocol.synthetic_frames);
    DetectorResults results = measure_tables(options_, names, tables, report.warnings);
    results.detector = detector->description();
    report.detectors.push_back(std::move(results));
  }

 private:
  /// Tells of a resize that the protocol asks for and that this detector does not do.
  void warn_of_resize(const DetectorDescription& detector, DistributionReport& report) const {
    const std::string& resize = options_.protocol.inception_resize;
    if (resize == MetricProtocol().inception_resize || !detector.preprocessing.empty()) return;
    report.warnings.push_back("inception_resize=" + resize + " has no effect on detector '" +
                              detector.name +
                              "': it is for Inception weights (.pth, .safetensors) alone");
    log_warning(report.warnings.back());
  }

  ExtractOptions options_of(Side side, const MetricNames& names) const {
    ExtractOptions extract;
    extract.side = side;
    extract.jpeg = options_.protocol.jpeg;
    extract.fps = options_.fps;
    extract.frames = options_.frames;
    extract.clip =
        side == Side::kReal ? options_.protocol.real_clip : options_.protocol.synthetic_clip;
    extract.every = options_.every;
    extract.seed = options_.intervals.seed;
    extract.probabilities = side == Side::kSynthetic && wants(options_, names.inception);
    extract.batch_size = options_.batch_size;
    return extract;
  }

  DistributionOptions options_;
  const Sides& sides_;
  const FeatureCache& cache_;
  distributed::Rendezvous& rendezvous_;
};

/// A folder for features that are not kept, which rank 0 makes and removes.
class CacheFolder {
 public:
  CacheFolder(const fs::path& wanted, distributed::Rendezvous& rendezvous) : path_(wanted) {
    if (!wanted.empty()) return;
    std::string made;
    rendezvous.together([&] {
      if (!rendezvous.environment().is_root()) return;
      made = (temporary_folder() / "echopath-features-XXXXXX").string();
      if (::mkdtemp(made.data()) == nullptr) {
        throw DataError("no temporary folder '" + made +
                        "' can be made: " + std::generic_category().message(errno));
      }
      owned_ = true;
    });
    path_ = rendezvous.exchange(made).front();
  }
  ~CacheFolder() {
    std::error_code ignored;
    if (owned_) fs::remove_all(path_, ignored);
  }
  CacheFolder(const CacheFolder&) = delete;
  CacheFolder& operator=(const CacheFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  bool owned_ = false;
};

/// Which metrics files of features have: they are of frames or of clips, not of both.
const MetricNames& names_for(const FeatureFiles& files, const DistributionOptions& options) {
  const bool frames = wants_any(options, kFrameMetrics), clips = wants_any(options, kClipMetrics);
  if (files.takes.empty()) {
    if (!frames || !clips) return clips ? kClipMetrics : kFrameMetrics;
    throw UsageError(
        "the files of features do not say whether they are of frames or of clips (metadata takes: "
        "frames, or clips); ask for figures of one kind, by `eval fid`, `eval fvd` or --metric");
  }
  const bool are_clips = files.takes == "clips";
  if (!(are_clips ? clips : frames)) {
    throw DataError("'" + options.synthetic_features.string() + "' holds features of " +
                    files.takes + " (metadata takes); what is asked for is of " +
                    (are_clips ? "frames" : "clips"));
  }
  return are_clips ? kClipMetrics : kFrameMetrics;
}

/// `report` holds the warnings so far.
DistributionReport measure_files(const DistributionOptions& options, DistributionReport report) {
  refuse_video_options(options);
  const FeatureFiles files = describe_feature_files(options, report.warnings);
  const MetricNames& names = names_for(files, options);
  report.real_sha256 = files.real_sha256;
  report.synthetic_sha256 = files.synthetic_sha256;
  for (const std::string& warning : report.warnings) log_warning(warning);
  Tables tables;
  if (!options.real_features.empty()) tables.real = read_feature_table(options.real_features);
  tables.synthetic = read_feature_table(options.synthetic_features);
  DistributionOptions wanted = options;
  if (wants(options, names.inception) && !tables.synthetic.log_probabilities.defined()) {
    wanted = without_inception(
        wanted, names,
        DataError("'" + options.synthetic_features.string() +
                  "' has no probabilities [N, K], which an inception score needs"),
        report.warnings);
  }
  DetectorResults results = measure_tables(wanted, names, tables, report.warnings);
  results.detector = files.detector;
  results.detector.width = tables.synthetic.features.size(1);
  results.detector.takes_clips = names.item == kClipMetrics.item;
  report.detectors.push_back(std::move(results));
  return report;
}

/// Whether features are given, not videos.
bool from_files(const DistributionOptions& options) {
  const bool real = needs_real(options, kFrameMetrics) || needs_real(options, kClipMetrics);
  if (!options.synthetic_features.empty()) {
    if (!options.synthetic.empty() || !options.real.empty()) {
      throw UsageError(
          "give folders (--real, --synthetic) or features (--real-features, "
          "--synthetic-features), not both");
    }
    if (real && options.real_features.empty()) throw UsageError("--real-features is required");
    return true;
  }
  if (!options.real_features.empty()) throw UsageError("--synthetic-features is required");
  if (options.synthetic.empty()) throw UsageError("--synthetic is required");
  if (real && options.real.empty()) throw UsageError("--real is required");
  return false;
}

}  // namespace

fs::path default_feature_cache() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache != '\0') return fs::path(cache) / "echopath" / "features";
  const char* home = std::getenv("HOME");
  return (home != nullptr ? fs::path(home) / ".cache" : temporary_folder()) / "echopath" /
         "features";
}

void refuse_with_features(const std::string& option) {
  throw UsageError(option +
                   " has no effect on files of features (--real-features, --synthetic-features); "
                   "leave it out, or give folders of videos");
}

std::optional<DistributionReport> measure_distribution(const DistributionOptions& given) {
  DistributionReport report;
  const DistributionOptions options = checked(given, report.warnings);
  if (from_files(options)) return measure_files(options, std::move(report));
  distributed::Rendezvous rendezvous(distributed::environment_from_variables(),
                                     {.collective = kPatience});
  Sides sides;
  rendezvous.together([&] { sides = open_sides(options, report.warnings); });
  const CacheFolder folder(options.cache, rendezvous);
  const FeatureCache cache(folder.path());
  const bool root = rendezvous.environment().is_root();
  rendezvous.together([&] {
    if (root) warn_of_sides(sides, cache, options, report.warnings);
  });
  if (root) {
    for (const std::string& warning : report.warnings) log_warning(warning);
  }
  if (wants_any(options, kFrameMetrics)) {
    for (const std::string& name : options.frame_detectors) {
      Extraction(options, sides, cache, rendezvous).measure(name, kFrameMetrics, report);
    }
  }
  if (wants_any(options, kClipMetrics)) {
    for (const std::string& name : options.clip_detectors) {
      Extraction(options, sides, cache, rendezvous).measure(name, kClipMetrics, report);
    }
  }
  if (!root) return std::nullopt;
  return report;
}

}  // namespace echopath::evaluation
