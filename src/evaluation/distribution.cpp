#include "echopath/evaluation/distribution.hpp"

#include <stdlib.h>

#include <algorithm>
#include <cstdlib>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/distributed/environment.hpp"
#include "echopath/distributed/rendezvous.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"
#include "evaluation/feature_files.hpp"
#include "evaluation/sides.hpp"

namespace echopath::evaluation {
namespace {

/// The processes wait for the slowest of them, and for rank 0's measuring.
constexpr auto kPatience = std::chrono::hours(48);
/// Patients of a side from which an interval is told without a warning.
constexpr std::int64_t kFewPatients = 20;

bool wants(const DistributionOptions& options, const std::string& metric) {
  return std::find(options.metrics.begin(), options.metrics.end(), metric) != options.metrics.end();
}

/// The names of the metrics of frames or of clips.
struct MetricNames {
  std::string frechet, kernel, manifold, inception;  ///< keys of DistributionOptions::metrics
  std::string frechet_label, kernel_label, item;
};

const MetricNames kFrameMetrics = {"fid", "kid", "prdc", "is", "FID", "KID", "frame"};
const MetricNames kClipMetrics = {"fvd", "kvd", "clip-prdc", "", "FVD", "KVD", "clip"};

bool wants_any(const DistributionOptions& options, const MetricNames& names) {
  return wants(options, names.frechet) || wants(options, names.kernel) ||
         wants(options, names.manifold) || wants(options, names.inception);
}

bool needs_real(const DistributionOptions& options, const MetricNames& names) {
  return wants(options, names.frechet) || wants(options, names.kernel) ||
         wants(options, names.manifold);
}

/// The options without the inception score, for a detector or a file that knows no class
/// probabilities. Throws `error` where it is all that is asked for.
template <class ErrorType>
DistributionOptions without_inception(DistributionOptions options, const MetricNames& names,
                                      const ErrorType& error) {
  std::erase(options.metrics, names.inception);
  if (!wants_any(options, names)) throw error;
  log_warning(std::string(error.what()) + "; it is left out");
  return options;
}

SideCount count_of(const FeatureTable& table) {
  return {table.rows(), static_cast<std::int64_t>(table.videos.size()), table.patient_count()};
}

/// The fold of a jackknife is a patient or more; of few of them its standard error says little.
void warn_of_few_patients(MetricValue& metric, const FeatureTable* real,
                          const FeatureTable& synthetic) {
  for (const auto& [side, table] : {std::pair("real", real), std::pair("synthetic", &synthetic)}) {
    if (table == nullptr || table->patient_count() >= kFewPatients) continue;
    metric.warnings.push_back("few: " + std::to_string(table->patient_count()) + " " + side +
                              " patients; the interval of fewer than " +
                              std::to_string(kFewPatients) + " is not to be trusted");
  }
}

/// The metrics of two tables (or of the synthetic one alone) for one class or all.
class Measuring {
 public:
  Measuring(const DistributionOptions& options, const MetricNames& names)
      : options_(options), names_(names) {}

  std::vector<DistributionRow> rows(const FeatureTable* real, const FeatureTable& synthetic) {
    add(real, synthetic, "");
    if (options_.by_class) add_classes(real, synthetic);
    return std::move(rows_);
  }

 private:
  void add_classes(const FeatureTable* real, const FeatureTable& synthetic) {
    const std::vector<std::string> names = synthetic.class_names();
    if (names.size() < 2 || (real != nullptr && real->class_names().size() < 2)) return;
    for (const std::string& name : names) {
      const FeatureTable part = synthetic.of_class(name);
      if (real == nullptr) {
        add(nullptr, part, name);
        continue;
      }
      const FeatureTable real_part = real->of_class(name);
      add(&real_part, part, name);
    }
  }

  /// A class with too few videos is told and left out; all of them together must do.
  void add(const FeatureTable* real, const FeatureTable& synthetic, const std::string& class_name) {
    try {
      measure(real, synthetic, class_name);
    } catch (const DataError& error) {
      if (class_name.empty()) throw;
      log_warning("class " + class_name + " has no figures of its own: " + error.what());
    }
  }

  void measure(const FeatureTable* real, const FeatureTable& synthetic,
               const std::string& class_name) {
    require_several(synthetic, "synthetic", names_.item);
    if (real != nullptr) {
      require_several(*real, "real", names_.item);
      compare(*real, synthetic, class_name);
    }
    if (!names_.inception.empty() && wants(options_, names_.inception)) {
      put(inception_metric(synthetic, options_.protocol, options_.intervals), "IS", nullptr,
          synthetic, class_name);
    }
  }

  void compare(const FeatureTable& real, const FeatureTable& synthetic,
               const std::string& class_name) {
    if (wants(options_, names_.frechet)) {
      put(frechet_metric(real, synthetic, options_.protocol, options_.intervals),
          names_.frechet_label, &real, synthetic, class_name);
    }
    if (wants(options_, names_.kernel)) {
      put(kernel_metric(real, synthetic, options_.protocol, options_.intervals),
          names_.kernel_label, &real, synthetic, class_name);
    }
    if (wants(options_, names_.manifold)) {
      for (MetricValue& metric :
           manifold_metrics(real, synthetic, options_.protocol, options_.intervals)) {
        const std::string label = metric.metric;
        put(std::move(metric), label, &real, synthetic, class_name);
      }
    }
  }

  void put(MetricValue metric, const std::string& label, const FeatureTable* real,
           const FeatureTable& synthetic, const std::string& class_name) {
    const bool pairs = label != "IS" && label != names_.frechet_label;
    const auto counted = [&](const FeatureTable& table) {
      SideCount count = count_of(table);
      const std::int64_t limit = options_.protocol.pair_rows;
      if (pairs && limit > 0) count.items = std::min(count.items, limit);
      return count;
    };
    if (options_.intervals.folds > 0 && !metric.estimate.has_interval) {
      metric.warnings.push_back("no interval: two patients or more are needed on each side");
    }
    if (metric.estimate.has_interval) warn_of_few_patients(metric, real, synthetic);
    metric.metric = label;
    DistributionRow row{class_name, std::move(metric), std::nullopt, counted(synthetic)};
    if (real != nullptr) row.real = counted(*real);
    rows_.push_back(std::move(row));
  }

  const DistributionOptions& options_;
  const MetricNames& names_;
  std::vector<DistributionRow> rows_;
};

void log_skipped(const FeatureTable& table, const std::string& side) {
  if (table.skipped.empty()) return;
  log_warning(std::to_string(table.skipped.size()) + " of " +
              std::to_string(table.skipped.size() + table.videos.size()) + " " + side +
              " videos are left out, the first '" + table.skipped.front().name + "', which " +
              table.skipped.front().reason);
}

DetectorResults measure_tables(const DistributionOptions& options, const MetricNames& names,
                               const std::optional<FeatureTable>& real,
                               const FeatureTable& synthetic) {
  if (real && real->features.size(1) != synthetic.features.size(1)) {
    throw DataError("the real features are " + std::to_string(real->features.size(1)) +
                    " wide, the synthetic ones " + std::to_string(synthetic.features.size(1)) +
                    "; both sides must come from one detector");
  }
  DetectorResults results;
  if (real) results.skipped_real = real->skipped;
  results.skipped_synthetic = synthetic.skipped;
  results.rows = Measuring(options, names).rows(real ? &*real : nullptr, synthetic);
  return results;
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
      if (wants(options_, names.inception) && detector->description().classes == 0) {
        options_ = without_inception(
            options_, names,
            UsageError("detector '" + detector->description().name +
                       "' tells no class probabilities, which an inception score needs"));
      }
      const Share share{environment.rank, environment.world_size};
      if (with_real) cache_.fill(*sides_.real, *detector, options_of(Side::kReal, names), share);
      cache_.fill(*sides_.synthetic, *detector, options_of(Side::kSynthetic, names), share);
    });
    if (!environment.is_root()) return;
    std::optional<FeatureTable> real;
    if (with_real) {
      real = cache_.collect(*sides_.real, *detector, options_of(Side::kReal, names));
      if (clips) real = real->first(options_.protocol.clips);
      log_skipped(*real, "real");
    }
    const FeatureTable synthetic =
        cache_.collect(*sides_.synthetic, *detector, options_of(Side::kSynthetic, names));
    log_skipped(synthetic, "synthetic");
    const std::int64_t limit = clips ? options_.protocol.clips : options_.protocol.synthetic_frames;
    DetectorResults results = measure_tables(options_, names, real, synthetic.first(limit));
    results.detector = detector->description();
    report.detectors.push_back(std::move(results));
  }

 private:
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
    if (rendezvous.environment().is_root()) {
      made = (fs::temp_directory_path() / "echopath-features-XXXXXX").string();
      owned_ = ::mkdtemp(made.data()) != nullptr;
    }
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

DistributionReport measure_files(const DistributionOptions& options) {
  refuse_video_options(options);
  DistributionReport report;
  const FeatureFiles files = describe_feature_files(options, report.warnings);
  report.real_sha256 = files.real_sha256;
  report.synthetic_sha256 = files.synthetic_sha256;
  for (const std::string& warning : report.warnings) log_warning(warning);
  std::optional<FeatureTable> real;
  if (!options.real_features.empty()) real = read_feature_table(options.real_features);
  const FeatureTable synthetic = read_feature_table(options.synthetic_features);
  for (const MetricNames* names : {&kFrameMetrics, &kClipMetrics}) {
    if (!wants_any(options, *names)) continue;
    DistributionOptions wanted = options;
    if (wants(options, names->inception) && !synthetic.log_probabilities.defined()) {
      wanted = without_inception(
          wanted, *names,
          DataError("'" + options.synthetic_features.string() +
                    "' has no probabilities [N, K], which an inception score needs"));
    }
    DetectorResults results = measure_tables(wanted, *names, real, synthetic);
    results.detector = files.detector;
    results.detector.width = synthetic.features.size(1);
    results.detector.takes_clips = names == &kClipMetrics;
    report.detectors.push_back(std::move(results));
  }
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
  return (home != nullptr ? fs::path(home) / ".cache" : fs::temp_directory_path()) / "echopath" /
         "features";
}

void refuse_with_features(const std::string& option) {
  throw UsageError(option +
                   " has no effect on files of features (--real-features, --synthetic-features); "
                   "leave it out, or give folders of videos");
}

std::optional<DistributionReport> measure_distribution(const DistributionOptions& options) {
  if (from_files(options)) return measure_files(options);
  distributed::Rendezvous rendezvous(distributed::environment_from_variables(),
                                     {.collective = kPatience});
  DistributionReport report;
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
