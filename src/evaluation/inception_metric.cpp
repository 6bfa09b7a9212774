#include <algorithm>
#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"

namespace echopath::evaluation {
namespace {

constexpr std::int64_t kBlock = 4096;

/// What a score is computed from: Σ p and Σ p·log p over rows.
struct ScoreSums {
  at::Tensor probabilities;  ///< [K] float64
  double plogp = 0.0;
  std::int64_t rows = 0;

  explicit ScoreSums(std::int64_t classes) : probabilities(at::zeros({classes}, at::kDouble)) {}

  void add(const at::Tensor& log_probabilities) {
    const at::Tensor logs = log_probabilities.to(at::kDouble);
    const at::Tensor p = logs.exp();
    probabilities += p.sum(0);
    // 0·log 0 is 0.
    plogp += (p * logs).where(p > 0, at::zeros({}, at::kDouble)).sum().item<double>();
    rows += logs.size(0);
  }

  ScoreSums without(const ScoreSums& part) const {
    ScoreSums rest(probabilities.size(0));
    rest.probabilities = probabilities - part.probabilities;
    rest.plogp = plogp - part.plogp;
    rest.rows = rows - part.rows;
    return rest;
  }

  /// exp of the mean divergence of the rows from their mean; not a number without rows.
  double score() const {
    const auto n = static_cast<double>(rows);
    const at::Tensor mean = probabilities / n;
    return std::exp(plogp / n - at::xlogy(mean, mean).sum().item<double>());
  }
};

ScoreSums sums_of(const at::Tensor& logs, std::int64_t begin, std::int64_t end) {
  ScoreSums sums(logs.size(1));
  for (std::int64_t i = begin; i < end; i += kBlock) {
    sums.add(logs.slice(0, i, std::min(end, i + kBlock)));
  }
  return sums;
}

/// First and last row (behind it) of each part.
std::vector<std::pair<std::int64_t, std::int64_t>> parts_of(std::int64_t rows,
                                                            const MetricProtocol& protocol) {
  std::vector<std::pair<std::int64_t, std::int64_t>> parts;
  const std::int64_t splits = protocol.is_splits;
  if (protocol.is_parts == "chunks") {
    const std::int64_t size = (rows + splits - 1) / splits;
    for (std::int64_t i = 0; i < rows; i += size) parts.emplace_back(i, std::min(rows, i + size));
    return parts;
  }
  const std::int64_t whole = protocol.is_parts == "50000" ? 50'000 : rows;
  for (std::int64_t i = 0; i < splits; ++i) {
    parts.emplace_back(std::min(rows, i * whole / splits),
                       std::min(rows, (i + 1) * whole / splits));
  }
  return parts;
}

at::Tensor in_order(const at::Tensor& logs, const MetricProtocol& protocol, std::uint64_t seed) {
  if (protocol.is_order == "file") return logs;
  const auto order = protocol.is_order == "numpy"
                         ? NumpyRandom(2020).permutation(logs.size(0))
                         : permutation({seed, Stream::kShuffle, 2}, logs.size(0));
  return logs.index_select(0, at::tensor(order, at::kLong));
}

/// Mean and deviation over the parts; not numbers where a part is empty.
void over_parts(MetricValue& metric, const at::Tensor& logs, const MetricProtocol& protocol,
                std::uint64_t seed) {
  const at::Tensor ordered = in_order(logs, protocol, seed);
  std::vector<double> scores;
  for (const auto& [begin, end] : parts_of(logs.size(0), protocol)) {
    scores.push_back(sums_of(ordered, begin, end).score());
  }
  const at::Tensor all = at::tensor(scores, at::kDouble);
  metric.estimate.value = all.mean().item<double>();
  if (scores.size() > 1) metric.spread = all.std(0, protocol.is_ddof == 1).item<double>();
  if (!std::isfinite(metric.estimate.value)) {
    metric.warnings.push_back("parts without rows: the score is not a number; " +
                              std::to_string(logs.size(0)) + " rows are too few for parts of " +
                              (protocol.is_parts == "50000" ? "50 000" : "all"));
  }
}

LeftOut leave_out(const at::Tensor& logs, const ScoreSums& all, const Folds& folds) {
  LeftOut result;
  result.rows = folds.rows;
  for (std::int64_t fold = 0; fold < folds.count(); ++fold) {
    const at::Tensor places = folds.fold_of_row.eq(fold).nonzero().squeeze(1);
    ScoreSums part(logs.size(1));
    for (std::int64_t i = 0; i < places.size(0); i += kBlock) {
      part.add(logs.index_select(0, places.slice(0, i, i + kBlock)));
    }
    result.values.push_back(all.without(part).score());
  }
  return result;
}

}  // namespace

MetricValue inception_metric(const FeatureTable& table, const MetricProtocol& protocol,
                             const IntervalOptions& options) {
  TORCH_CHECK(table.log_probabilities.defined(), "an inception score needs class probabilities");
  const at::Tensor& logs = table.log_probabilities;
  const std::int64_t rows = table.rows();
  if (rows < protocol.is_splits) {
    throw DataError("an inception score over " + std::to_string(protocol.is_splits) +
                    " parts needs as many frames; there are " + std::to_string(rows));
  }
  const ScoreSums all = sums_of(logs, 0, rows);
  MetricValue metric;
  metric.metric = "inception score";
  const LeftOut left_out = leave_out(logs, all, make_folds(table, options.folds, options.seed));
  metric.estimate = jackknife(all.score(), {left_out}, options.coverage);
  over_parts(metric, logs, protocol, options.seed);
  return metric;
}

}  // namespace echopath::evaluation
