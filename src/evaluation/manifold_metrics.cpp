#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>
#include <string>

#include "echopath/core/random.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"
#include "evaluation/metric_checks.hpp"
#include "evaluation/neighbourhoods.hpp"

namespace echopath::evaluation {
namespace {

constexpr std::array<const char*, 4> kNames = {"precision", "recall", "density", "coverage"};
constexpr std::size_t kDensity = 2;  ///< a mean of counts; the others are shares

/// The options with which so many patients (or rows) are enough; empty where there are none.
std::string fewer_neighbours(const MetricProtocol& protocol, std::int64_t have) {
  if (have < 2) return "";
  const std::string most = std::to_string(have - 1);
  std::string options;
  if (protocol.precision_neighbours >= have) options += " --set precision_neighbours=" + most;
  if (protocol.density_neighbours >= have) options += " --set density_neighbours=" + most;
  return options;
}

/// Throws TooFewNeighbours unless every row of both sides has enough of them.
void require_neighbours(const FeatureTable& real, const FeatureTable& synthetic,
                        const MetricProtocol& protocol) {
  const std::int64_t needed =
      std::max(protocol.precision_neighbours, protocol.density_neighbours) + 1;
  const bool of_rows = protocol.neighbours == "any";
  const auto count = [&](const FeatureTable& table) {
    return of_rows ? table.rows() : table.patient_count();
  };
  const std::int64_t have = std::min(count(real), count(synthetic));
  if (have >= needed) return;
  const std::string options = fewer_neighbours(protocol, have);
  throw TooFewNeighbours("precision, recall, density and coverage with up to " +
                         std::to_string(needed - 1) + " neighbours need " + std::to_string(needed) +
                         (count(real) == have ? " real" : " synthetic") +
                         (of_rows ? " rows" : " patients") + " or more; there are " +
                         std::to_string(have) + "; give more" +
                         (options.empty() ? "" : ", or ask for fewer neighbours with" + options));
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

/// Which of two halves of a side's patients each row is of, [N] int8; an odd patient is in neither.
at::Tensor halves_of(const at::Tensor& patients, const NoiseKey& key) {
  const std::int64_t count = patients.max().item<std::int64_t>() + 1;
  const at::Tensor rank = at::tensor(permutation(key, count), at::kLong).index_select(0, patients);
  const std::int64_t half = count / 2;
  at::Tensor halves = rank.ge(half).to(at::kChar);
  halves.masked_fill_(rank.ge(2 * half), -1);
  return halves;
}

/// All rows together, then the halves of each of the interval's draws.
Deals deals_of(const FeatureTable& real, const FeatureTable& synthetic,
               const IntervalOptions& options) {
  const at::Tensor real_patients = patients_of(real);
  const at::Tensor synthetic_patients = patients_of(synthetic);
  std::vector<at::Tensor> of_real = {at::zeros({real.rows()}, at::kChar)};
  std::vector<at::Tensor> of_synthetic = {at::zeros({synthetic.rows()}, at::kChar)};
  for (std::int64_t i = 0; i < options.folds; ++i) {
    const auto draw = static_cast<std::uint32_t>(i);
    of_real.push_back(halves_of(real_patients, {options.seed, Stream::kShuffle, draw, 3}));
    of_synthetic.push_back(
        halves_of(synthetic_patients, {options.seed, Stream::kShuffle, draw, 4}));
  }
  return {at::stack(of_real), at::stack(of_synthetic)};
}

/// Of the metrics, as they are and on the scale of stabilised().
struct Variances {
  ManifoldValues plain{};
  ManifoldValues stable{};
};

/// From pairs of halves, the deals behind the first, see manifold_metrics(); nothing where a half
/// has too few neighbours. The figure of half the patients has twice the variance, the difference
/// of two four times.
std::optional<Variances> variances_of(const std::vector<std::array<PartFigures, 2>>& deals) {
  const double pieces = 4.0 * static_cast<double>(deals.size() - 1);
  Variances result;
  for (std::size_t i = 1; i < deals.size(); ++i) {
    const auto& [first, second] = deals[i];
    if (!first.has_neighbours || !second.has_neighbours) return std::nullopt;
    for (std::size_t m = 0; m < kNames.size(); ++m) {
      const double plain = first.values[m] - second.values[m];
      const double stable = stabilised(first.values[m], m) - stabilised(second.values[m], m);
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
  require_neighbours(real, synthetic, protocol);
  const std::vector<std::array<PartFigures, 2>> deals =
      neighbourhood_figures(real, synthetic, protocol, deals_of(real, synthetic, options));
  const ManifoldValues values = deals.front()[0].values;
  std::optional<Variances> variances;
  if (options.folds > 0) variances = variances_of(deals);
  const std::int64_t patients = std::min(real.patient_count(), synthetic.patient_count());
  const std::int64_t enough =
      2 * (std::max(protocol.precision_neighbours, protocol.density_neighbours) + 1);
  std::vector<MetricValue> metrics;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
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
