#include "evaluation/distribution_rows.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"
#include "evaluation/neighbourhoods.hpp"
#include "evaluation/sides.hpp"
#include "evaluation/warnings.hpp"

namespace echopath::evaluation {
namespace {

/// Patients of a side from which an interval is told without a warning.
constexpr std::int64_t kFewPatients = 20;

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

/// Why a metric has no interval although one was asked for.
std::string why_no_interval(const MetricValue& metric, const FeatureTable* real,
                            const FeatureTable& synthetic) {
  for (const auto& [side, table] : {std::pair("real", real), std::pair("synthetic", &synthetic)}) {
    if (table == nullptr || table->patient_count() >= 2) continue;
    return std::string("the ") + side + " side has a single patient; two or more are needed";
  }
  if (!metric.no_interval.empty()) return metric.no_interval;
  return "without one of its groups of patients a side has fewer than two rows; more are needed";
}

/// The metrics of two tables (or of the synthetic one alone) for one class or all.
class Measuring {
 public:
  Measuring(const DistributionOptions& options, const MetricNames& names,
            std::vector<std::string>& warnings)
      : options_(options),
        names_(names),
        warnings_(warnings),
        with_manifold_(wants(options, names.manifold)) {}

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
      warn_once("class " + class_name + " has no figures of its own: " + error.what());
    }
  }

  /// Several detectors may have the same reason to.
  void warn_once(const std::string& text) {
    const bool is_known = std::find(warnings_.begin(), warnings_.end(), text) != warnings_.end();
    if (!is_known) warn(warnings_, text);
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
    if (!with_manifold_) return;
    try {
      for (MetricValue& metric :
           manifold_metrics(real, synthetic, options_.protocol, options_.intervals)) {
        const std::string label = metric.metric;
        put(std::move(metric), label, &real, synthetic, class_name);
      }
    } catch (const TooFewNeighbours& error) {
      if (asks_for_neighbours_alone()) throw;
      warn_once(names_.manifold + (class_name.empty() ? "" : " of class " + class_name) + ": " +
                error.what() + "; they are left out");
      if (class_name.empty()) with_manifold_ = false;  // a class has no more of them
    }
  }

  bool asks_for_neighbours_alone() const {
    return std::all_of(options_.metrics.begin(), options_.metrics.end(),
                       [](const std::string& metric) {
                         return metric == kFrameMetrics.manifold || metric == kClipMetrics.manifold;
                       });
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
      metric.warnings.push_back("no interval: " + why_no_interval(metric, real, synthetic));
    }
    if (metric.estimate.has_interval) warn_of_few_patients(metric, real, synthetic);
    metric.metric = label;
    DistributionRow row{class_name, std::move(metric), std::nullopt, counted(synthetic)};
    if (real != nullptr) row.real = counted(*real);
    rows_.push_back(std::move(row));
  }

  const DistributionOptions& options_;
  const MetricNames& names_;
  std::vector<std::string>& warnings_;
  bool with_manifold_;
  std::vector<DistributionRow> rows_;
};

}  // namespace

const MetricNames kFrameMetrics = {"fid", "kid", "prdc", "is", "FID", "KID", "frame"};
const MetricNames kClipMetrics = {"fvd", "kvd", "clip-prdc", "", "FVD", "KVD", "clip"};

bool wants(const DistributionOptions& options, const std::string& metric) {
  return std::find(options.metrics.begin(), options.metrics.end(), metric) != options.metrics.end();
}

bool wants_any(const DistributionOptions& options, const MetricNames& names) {
  return needs_real(options, names) || wants(options, names.inception);
}

bool needs_real(const DistributionOptions& options, const MetricNames& names) {
  return wants(options, names.frechet) || wants(options, names.kernel) ||
         wants(options, names.manifold);
}

DetectorResults measure_tables(const DistributionOptions& options, const MetricNames& names,
                               const Tables& tables, std::vector<std::string>& warnings) {
  const auto& [real, synthetic] = tables;
  if (real && real->features.size(1) != synthetic.features.size(1)) {
    throw DataError("the real features are " + std::to_string(real->features.size(1)) +
                    " wide, the synthetic ones " + std::to_string(synthetic.features.size(1)) +
                    "; both sides must come from one detector");
  }
  DetectorResults results;
  if (real) results.skipped_real = real->skipped;
  results.skipped_synthetic = synthetic.skipped;
  results.rows = Measuring(options, names, warnings).rows(real ? &*real : nullptr, synthetic);
  return results;
}

}  // namespace echopath::evaluation
