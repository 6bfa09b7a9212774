#include <algorithm>
#include <array>
#include <limits>

#include "echopath/core/errors.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"
#include "evaluation/metric_checks.hpp"

namespace echopath::evaluation {
namespace {

constexpr std::int64_t kBlock = 512;
constexpr std::size_t kMetrics = 4;
using Values = std::array<double, kMetrics>;  ///< precision, recall, density, coverage

/// Euclidean distances [N, M], computed in float64 and kept in float32.
at::Tensor distances(const at::Tensor& x, const at::Tensor& y) {
  at::Tensor result = at::empty({x.size(0), y.size(0)}, at::kFloat);
  const at::Tensor wide = y.to(at::kDouble);
  for (std::int64_t i = 0; i < x.size(0); i += kBlock) {
    result.slice(0, i, i + kBlock)
        .copy_(at::cdist(x.slice(0, i, i + kBlock).to(at::kDouble), wide));
  }
  return result;
}

/// A number for the patient of every row.
at::Tensor patients_of(const FeatureTable& table, bool each_row_its_own) {
  if (each_row_its_own) return at::arange(table.rows());
  return make_folds(table, table.rows(), 0).fold_of_row;
}

/// Both sides' distances, where rows that are no neighbours (a row itself, rows of its patient) are
/// infinitely far.
class Neighbourhoods {
 public:
  Neighbourhoods(const FeatureTable& real, const FeatureTable& synthetic,
                 const MetricProtocol& protocol)
      : k_precision_(protocol.precision_neighbours),
        k_density_(protocol.density_neighbours),
        real_(within(real, protocol)),
        synthetic_(within(synthetic, protocol)),
        across_(distances(real.features, synthetic.features)) {
    if (!across_.isfinite().all().item<bool>()) {
      refuse_overflow("distance of features", real, synthetic);
    }
  }

  std::int64_t nearest_needed() const { return std::max(k_precision_, k_density_); }

  /// The metrics of all rows, or of those at these places of a side.
  Values values(const at::Tensor& real_places, const at::Tensor& synthetic_places) const {
    const bool all_real = !real_places.defined(), all_synthetic = !synthetic_places.defined();
    const at::Tensor real =
        all_real ? real_ : real_.index_select(0, real_places).index_select(1, real_places);
    const at::Tensor synthetic =
        all_synthetic
            ? synthetic_
            : synthetic_.index_select(0, synthetic_places).index_select(1, synthetic_places);
    at::Tensor across = all_real ? across_ : across_.index_select(0, real_places);
    if (!all_synthetic) across = across.index_select(1, synthetic_places);
    const at::Tensor nearest = smallest(real, nearest_needed());
    const at::Tensor precise = nearest.select(1, k_precision_ - 1).unsqueeze(1);
    const at::Tensor dense = nearest.select(1, k_density_ - 1).unsqueeze(1);
    const at::Tensor made = smallest(synthetic, k_precision_).select(1, k_precision_ - 1);
    const at::Tensor within_dense = across <= dense;
    return {share((across <= precise).any(0)), share((across <= made).any(1)),
            within_dense.to(at::kFloat).sum(0).to(at::kDouble).mean().item<double>() /
                static_cast<double>(k_density_),
            share(within_dense.any(1))};
  }

 private:
  static at::Tensor within(const FeatureTable& table, const MetricProtocol& protocol) {
    at::Tensor result = distances(table.features, table.features);
    if (!result.isfinite().all().item<bool>()) {
      refuse_overflow("distance of features", table, table);
    }
    const at::Tensor patients = patients_of(table, protocol.neighbours == "any");
    for (std::int64_t i = 0; i < result.size(0); i += kBlock) {
      const at::Tensor own = patients.slice(0, i, i + kBlock).unsqueeze(1) == patients;
      result.slice(0, i, i + kBlock).masked_fill_(own, std::numeric_limits<float>::infinity());
    }
    return result;
  }

  static at::Tensor smallest(const at::Tensor& matrix, std::int64_t count) {
    return std::get<0>(matrix.topk(count, 1, /*largest=*/false, /*sorted=*/true));
  }

  static double share(const at::Tensor& yes) { return yes.to(at::kDouble).mean().item<double>(); }

  std::int64_t k_precision_, k_density_;
  at::Tensor real_, synthetic_, across_;
};

/// Throws unless every row has enough rows of other patients, also with the largest patient away.
void require_neighbours(const FeatureTable& table, const MetricProtocol& protocol,
                        const std::string& side) {
  const std::int64_t needed =
      std::max(protocol.precision_neighbours, protocol.density_neighbours) + 1;
  const std::int64_t have = protocol.neighbours == "any" ? table.rows() : table.patient_count();
  if (have >= needed) return;
  throw DataError("precision and recall with " + std::to_string(needed - 1) + " neighbours need " +
                  std::to_string(needed) + " " + side +
                  (protocol.neighbours == "any" ? " rows" : " patients") + " or more; there are " +
                  std::to_string(have));
}

/// The metrics with each fold of a side left out; empty where that leaves too few neighbours.
std::array<LeftOut, kMetrics> leave_out(const Neighbourhoods& all, const Folds& folds,
                                        bool real_side) {
  std::array<LeftOut, kMetrics> result;
  for (std::int64_t fold = 0; fold < folds.count(); ++fold) {
    throw_if_interrupted("stopped by a signal; features computed so far are kept");
    const at::Tensor places = folds.fold_of_row.ne(fold).nonzero().squeeze(1);
    if (places.size(0) <= all.nearest_needed()) return {};
    const Values values = real_side ? all.values(places, {}) : all.values({}, places);
    for (std::size_t i = 0; i < kMetrics; ++i) {
      result[i].values.push_back(values[i]);
      result[i].rows.push_back(folds.rows[static_cast<std::size_t>(fold)]);
    }
  }
  return result;
}

}  // namespace

std::vector<MetricValue> manifold_metrics(const FeatureTable& real_rows,
                                          const FeatureTable& synthetic_rows,
                                          const MetricProtocol& protocol,
                                          const IntervalOptions& options) {
  require_comparable(real_rows, synthetic_rows, "precision");
  require_neighbours(real_rows, protocol, "real");
  require_neighbours(synthetic_rows, protocol, "synthetic");
  const FeatureTable real = real_rows.spread(protocol.pair_rows);
  const FeatureTable synthetic = synthetic_rows.spread(protocol.pair_rows);
  const Neighbourhoods all(real, synthetic, protocol);
  const Values values = all.values({}, {});
  const auto by_real = leave_out(all, make_folds(real, options.folds, options.seed), true);
  const auto by_synthetic =
      leave_out(all, make_folds(synthetic, options.folds, options.seed), false);
  constexpr std::array<const char*, kMetrics> kNames = {"precision", "recall", "density",
                                                        "coverage"};
  std::vector<MetricValue> metrics;
  for (std::size_t i = 0; i < kMetrics; ++i) {
    MetricValue metric;
    metric.metric = kNames[i];
    metric.corrected = false;  // their expectation approaches no limit like 1/N
    metric.estimate = jackknife(values[i], {by_real[i], by_synthetic[i]}, options.coverage, false);
    metric.estimate.low = std::max(0.0, metric.estimate.low);
    if (metric.metric != "density") metric.estimate.high = std::min(1.0, metric.estimate.high);
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

}  // namespace echopath::evaluation
