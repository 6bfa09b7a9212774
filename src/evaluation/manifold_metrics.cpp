#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>

#include "echopath/core/errors.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/random.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"
#include "evaluation/metric_checks.hpp"

namespace echopath::evaluation {
namespace {

constexpr std::int64_t kBlock = 512;
constexpr std::size_t kMetrics = 4;
constexpr std::array<const char*, kMetrics> kNames = {"precision", "recall", "density", "coverage"};
constexpr std::size_t kDensity = 2;           ///< a mean of counts; the others are shares
using Values = std::array<double, kMetrics>;  ///< by kNames

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

  /// The metrics of all rows.
  Values values() const { return values_of(real_, synthetic_, across_); }

  /// The metrics of the rows at these places of the sides; nothing where a row has too few
  /// neighbours among them.
  std::optional<Values> values(const at::Tensor& real_places,
                               const at::Tensor& synthetic_places) const {
    const at::Tensor real = part(real_, real_places, real_places);
    const at::Tensor synthetic = part(synthetic_, synthetic_places, synthetic_places);
    if (!have_neighbours(real, nearest_needed()) || !have_neighbours(synthetic, k_precision_)) {
      return std::nullopt;
    }
    return values_of(real, synthetic, part(across_, real_places, synthetic_places));
  }

 private:
  /// From the distances within the real side [N, N], within the synthetic one [M, M] and between
  /// them [N, M].
  Values values_of(const at::Tensor& real, const at::Tensor& synthetic,
                   const at::Tensor& across) const {
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

  static at::Tensor part(const at::Tensor& matrix, const at::Tensor& rows,
                         const at::Tensor& columns) {
    return matrix.index_select(0, rows).index_select(1, columns);
  }

  static bool have_neighbours(const at::Tensor& distances_within, std::int64_t count) {
    if (distances_within.size(0) == 0) return false;
    return distances_within.isfinite().sum(1).min().item<std::int64_t>() >= count;
  }

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

/// Throws unless every row has enough neighbours.
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

/// Where the standard error of a share (arcsine) or of a mean of counts (square root) hardly
/// depends on its size.
double stabilised(double value, std::size_t metric) {
  const double root = std::sqrt(value);
  return metric == kDensity ? root : std::asin(std::min(1.0, root));
}

/// The figure of stabilised(), cut where the figure's range ends.
double figure_of(double stable, std::size_t metric) {
  const double least = std::max(0.0, stable);
  const double root = metric == kDensity ? least : std::sin(std::min(least, std::numbers::pi / 2));
  return root * root;
}

/// Places of the rows of two halves of a side's patients; an odd one is in neither.
std::array<at::Tensor, 2> halves_of(const at::Tensor& patients, const NoiseKey& key) {
  const std::int64_t count = patients.max().item<std::int64_t>() + 1;
  const at::Tensor rank = at::tensor(permutation(key, count), at::kLong).index_select(0, patients);
  const std::int64_t half = count / 2;
  return {rank.lt(half).nonzero().squeeze(1),
          rank.ge(half).logical_and(rank.lt(2 * half)).nonzero().squeeze(1)};
}

/// Of the metrics, as they are and on the scale of stabilised().
struct Variances {
  Values plain{};
  Values stable{};
};

/// From pairs of halves, see manifold_metrics(); nothing where a half has too few neighbours. The
/// figure of half the patients has twice the variance, the difference of two four times.
std::optional<Variances> variances_of(const Neighbourhoods& all, const FeatureTable& real,
                                      const FeatureTable& synthetic,
                                      const IntervalOptions& options) {
  const at::Tensor real_patients = patients_of(real, false);
  const at::Tensor synthetic_patients = patients_of(synthetic, false);
  const double pieces = 4.0 * static_cast<double>(options.folds);
  Variances result;
  for (std::int64_t i = 0; i < options.folds; ++i) {
    throw_if_interrupted("stopped by a signal; features computed so far are kept");
    const auto draw = static_cast<std::uint32_t>(i);
    const auto a = halves_of(real_patients, {options.seed, Stream::kShuffle, draw, 3});
    const auto b = halves_of(synthetic_patients, {options.seed, Stream::kShuffle, draw, 4});
    const std::optional<Values> first = all.values(a[0], b[0]);
    const std::optional<Values> second = all.values(a[1], b[1]);
    if (!first || !second) return std::nullopt;
    for (std::size_t m = 0; m < kMetrics; ++m) {
      const double plain = (*first)[m] - (*second)[m];
      const double stable = stabilised((*first)[m], m) - stabilised((*second)[m], m);
      result.plain[m] += plain * plain / pieces;
      result.stable[m] += stable * stable / pieces;
    }
  }
  return result;
}

void put_interval(MetricValue& metric, std::size_t index, const Variances& variances,
                  std::int64_t degrees, double coverage) {
  if (variances.stable[index] == 0.0) {
    metric.no_interval = "all halves of the patients give the same figure";
    return;
  }
  Estimate& estimate = metric.estimate;
  const double centre = stabilised(estimate.value, index);
  const double reach =
      student_quantile((1 + coverage) / 2, degrees) * std::sqrt(variances.stable[index]);
  estimate.deviation = std::sqrt(variances.plain[index]);
  estimate.low = figure_of(centre - reach, index);
  estimate.high = figure_of(centre + reach, index);
  estimate.has_interval = true;
}

}  // namespace

std::vector<MetricValue> manifold_metrics(const FeatureTable& real_rows,
                                          const FeatureTable& synthetic_rows,
                                          const MetricProtocol& protocol,
                                          const IntervalOptions& options) {
  require_comparable(real_rows, synthetic_rows, "precision");
  const FeatureTable real = real_rows.spread(protocol.pair_rows);
  const FeatureTable synthetic = synthetic_rows.spread(protocol.pair_rows);
  require_neighbours(real, protocol, "real");
  require_neighbours(synthetic, protocol, "synthetic");
  const Neighbourhoods all(real, synthetic, protocol);
  const Values values = all.values();
  std::optional<Variances> variances;
  if (options.folds > 0) variances = variances_of(all, real, synthetic, options);
  const std::int64_t patients = std::min(real.patient_count(), synthetic.patient_count());
  const std::int64_t enough = 2 * (all.nearest_needed() + 1);
  std::vector<MetricValue> metrics;
  for (std::size_t i = 0; i < kMetrics; ++i) {
    MetricValue metric;
    metric.metric = kNames[i];
    metric.corrected = false;  // their expectation approaches no limit like 1/N
    metric.estimate.value = values[i];
    if (variances) {
      put_interval(metric, i, *variances, std::min(options.folds, patients - 1), options.coverage);
    } else if (options.folds > 0) {
      metric.no_interval = "halves of the " + std::to_string(real.patient_count()) + " real and " +
                           std::to_string(synthetic.patient_count()) +
                           " synthetic patients have too few neighbours; " +
                           std::to_string(enough) + " patients a side are enough";
    }
    metrics.push_back(std::move(metric));
  }
  return metrics;
}

}  // namespace echopath::evaluation
