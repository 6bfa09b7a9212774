#include <algorithm>
#include <functional>
#include <optional>

#include "echopath/core/interrupt.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"
#include "echopath/evaluation/frechet.hpp"
#include "evaluation/metric_checks.hpp"

namespace echopath::evaluation {
namespace {

/// Rows that are converted to float64 at once.
constexpr std::int64_t kBlock = 4096;

/// The sums over a side and, one at a time, over its folds.
class FoldedStatistics {
 public:
  FoldedStatistics(const at::Tensor& rows, Folds folds)
      : rows_(rows), folds_(std::move(folds)), all_(rows.size(1)) {
    for (std::int64_t begin = 0; begin < rows.size(0); begin += kBlock) {
      all_.add(rows.slice(0, begin, begin + kBlock));
    }
  }

  const FeatureStatistics& all() const { return all_; }

  /// `distance` with each fold left out in turn.
  LeftOut leave_out(const std::function<double(const FeatureStatistics&)>& distance) const {
    LeftOut result;
    result.rows = folds_.rows;
    for (std::int64_t fold = 0; fold < folds_.count(); ++fold) {
      throw_if_interrupted("stopped by a signal; features computed so far are kept");
      result.values.push_back(distance(all_.without(of_fold(fold))));
    }
    return result;
  }

 private:
  FeatureStatistics of_fold(std::int64_t fold) const {
    FeatureStatistics part(rows_.size(1));
    const at::Tensor places = folds_.fold_of_row.eq(fold).nonzero().squeeze(1);
    for (std::int64_t begin = 0; begin < places.size(0); begin += kBlock) {
      part.add(rows_.index_select(0, places.slice(0, begin, begin + kBlock)));
    }
    return part;
  }

  at::Tensor rows_;
  Folds folds_;
  FeatureStatistics all_;
};

/// Folds of a side, none where leaving one out would leave too few rows for a covariance.
Folds usable_folds(const FeatureTable& table, const IntervalOptions& options) {
  Folds folds = make_folds(table, options.folds, options.seed);
  for (const std::int64_t rows : folds.rows) {
    if (table.rows() - rows < 2) return {};
  }
  return folds;
}

/// A figure and what it becomes without each fold of the two sides.
struct Figures {
  double value = 0.0;
  std::vector<LeftOut> left_out;
  /// In how many directions a side varies; not known where there are fewer rows than that anyway.
  std::optional<std::int64_t> real_rank, synthetic_rank;
};

void warn_of_few_rows(MetricValue& metric, const FeatureTable& real,
                      const FeatureTable& synthetic) {
  const std::int64_t width = real.features.size(1);
  const std::int64_t least = std::min(real.rows(), synthetic.rows());
  if (least > 2 * width) return;
  const std::string which = real.rows() <= synthetic.rows() ? "real" : "synthetic";
  const std::string counts =
      std::to_string(least) + " " + which + " rows for features of width " + std::to_string(width);
  metric.warnings.push_back(
      least <= width ? "singular covariance: " + counts +
                           "; the distance depends on N and is comparable at equal N only"
                     : "few: " + counts + "; the distance is biased upward");
}

/// Rows enough, and yet they do not vary in every direction: constant rows, features that are
/// always 0, features that follow from others.
void warn_of_rank(MetricValue& metric, const FeatureTable& table, const std::string& side,
                  std::optional<std::int64_t> rank) {
  const std::int64_t width = table.features.size(1);
  if (!rank || table.rows() <= width || *rank >= width) return;
  metric.warnings.push_back("singular covariance: " + std::to_string(table.rows()) + " " + side +
                            " rows vary in " + std::to_string(*rank) + " of " +
                            std::to_string(width) +
                            " directions only (constant or dependent features); the distance is "
                            "finite, but look at the detector and the videos");
}

Figures from_sums(const FeatureTable& real, const FeatureTable& synthetic, std::int64_t ddof,
                  const IntervalOptions& options) {
  const FoldedStatistics a(real.features, usable_folds(real, options));
  const FoldedStatistics b(synthetic.features, usable_folds(synthetic, options));
  const at::Tensor mean_a = a.all().mean(), mean_b = b.all().mean();
  const at::Tensor root_a = covariance_root(a.all().covariance(ddof));
  Figures figures;
  figures.real_rank = a.all().rank();
  figures.synthetic_rank = b.all().rank();
  figures.value = frechet_distance_from_root(mean_a, root_a, mean_b, b.all().covariance(ddof));
  figures.left_out.push_back(b.leave_out([&](const FeatureStatistics& rest) {
    return frechet_distance_from_root(mean_a, root_a, rest.mean(), rest.covariance(ddof));
  }));
  const at::Tensor root_b = covariance_root(b.all().covariance(ddof));
  figures.left_out.push_back(a.leave_out([&](const FeatureStatistics& rest) {
    return frechet_distance_from_root(mean_b, root_b, rest.mean(), rest.covariance(ddof));
  }));
  return figures;
}

/// The same from the rows, for sides of fewer rows than features.
Figures from_rows(const FeatureTable& real, const FeatureTable& synthetic, std::int64_t ddof,
                  const IntervalOptions& options) {
  const at::Tensor a = real.features.to(at::kDouble), b = synthetic.features.to(at::kDouble);
  const auto leave_out = [&](const FeatureTable& side, const auto& distance) {
    const Folds folds = usable_folds(side, options);
    LeftOut result;
    result.rows = folds.rows;
    for (std::int64_t fold = 0; fold < folds.count(); ++fold) {
      throw_if_interrupted("stopped by a signal; features computed so far are kept");
      result.values.push_back(distance(folds.fold_of_row.ne(fold).nonzero().squeeze(1)));
    }
    return result;
  };
  Figures figures;
  figures.value = frechet_distance_of_rows(a, b, ddof);
  figures.left_out.push_back(leave_out(real, [&](const at::Tensor& rest) {
    return frechet_distance_of_rows(a.index_select(0, rest), b, ddof);
  }));
  figures.left_out.push_back(leave_out(synthetic, [&](const at::Tensor& rest) {
    return frechet_distance_of_rows(a, b.index_select(0, rest), ddof);
  }));
  return figures;
}

/// With fewer patients than features the jackknife leaves part of the bias in, and its interval
/// may lie too high (the tests of FrechetInterval show it).
void warn_of_few_patients(MetricValue& metric, const FeatureTable& table, const std::string& side) {
  const std::int64_t width = table.features.size(1);
  if (!metric.estimate.has_interval || table.patient_count() >= width) return;
  metric.warnings.push_back("few: " + std::to_string(table.patient_count()) + " " + side +
                            " patients for features of width " + std::to_string(width) +
                            "; the corrected figure and its interval may lie too high");
}

}  // namespace

MetricValue frechet_metric(const FeatureTable& real, const FeatureTable& synthetic,
                           const MetricProtocol& protocol, const IntervalOptions& options) {
  require_comparable(real, synthetic, "a Fréchet distance");
  const bool few = std::max(real.rows(), synthetic.rows()) <= real.features.size(1) * 4 / 5;
  const Figures figures =
      (few ? from_rows : from_sums)(real, synthetic, protocol.covariance_ddof, options);
  MetricValue metric;
  metric.metric = "Fréchet distance";
  metric.estimate = jackknife(figures.value, figures.left_out, options.coverage);
  require_finite(metric, real, synthetic);
  cut_at(metric.estimate, 0.0);
  warn_of_few_rows(metric, real, synthetic);
  warn_of_few_patients(metric, real, "real");
  warn_of_few_patients(metric, synthetic, "synthetic");
  warn_of_rank(metric, real, "real", figures.real_rank);
  warn_of_rank(metric, synthetic, "synthetic", figures.synthetic_rank);
  return metric;
}

}  // namespace echopath::evaluation
