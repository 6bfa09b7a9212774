#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"
#include "echopath/evaluation/inception_score.hpp"

namespace echopath::evaluation {
namespace {

/// Rows that are copied or looked at out of their order at once.
constexpr std::int64_t kBlock = 4096;

InceptionScoreOptions options_of(const MetricProtocol& protocol) {
  models::Compatibility compatibility;
  if (protocol.is_parts == "50000") compatibility.inception_split_denominator = "50000";
  InceptionScoreOptions options = inception_score_options(compatibility);
  options.splits = protocol.is_splits;
  options.chunks = protocol.is_parts == "chunks";
  options.ddof = protocol.is_ddof;
  return options;
}

at::Tensor in_order(const at::Tensor& logs, const MetricProtocol& protocol, std::uint64_t seed) {
  if (protocol.is_order == "file") return logs;
  const auto order = protocol.is_order == "numpy"
                         ? NumpyRandom(2020).permutation(logs.size(0))
                         : permutation({seed, Stream::kShuffle, 2}, logs.size(0));
  const at::Tensor places = at::tensor(order, at::kLong);
  const at::Tensor ordered = spooled(logs.sizes(), logs.scalar_type());
  for (std::int64_t begin = 0; begin < logs.size(0); begin += kBlock) {
    ordered.slice(0, begin, begin + kBlock)
        .copy_(logs.index_select(0, places.slice(0, begin, begin + kBlock)));
  }
  return ordered;
}

LeftOut leave_out(const at::Tensor& logs, const InceptionSums& all, const Folds& folds) {
  LeftOut result;
  result.rows = folds.rows;
  for (std::int64_t fold = 0; fold < folds.count(); ++fold) {
    InceptionSums part(logs.size(1));
    const at::Tensor places = folds.fold_of_row.eq(fold).nonzero().squeeze(1);
    for (std::int64_t begin = 0; begin < places.size(0); begin += kBlock) {
      part.add(logs.index_select(0, places.slice(0, begin, begin + kBlock)));
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
  const InceptionScore score =
      inception_score(in_order(logs, protocol, options.seed), options_of(protocol));
  InceptionSums all(logs.size(1));
  all.add(logs);
  MetricValue metric;
  metric.metric = "inception score";
  const LeftOut left_out = leave_out(logs, all, make_folds(table, options.folds, options.seed));
  metric.estimate = jackknife(all.score(), {left_out}, options.coverage);
  cut_at(metric.estimate, 1.0);  // the score of rows that are all alike
  metric.estimate.value = score.mean;
  if (score.splits.size() > 1) metric.spread = score.standard_deviation;
  if (!std::isfinite(score.mean)) {
    metric.warnings.push_back("parts without rows: the score is not a number; " +
                              std::to_string(logs.size(0)) + " rows are too few for parts of " +
                              (protocol.is_parts == "50000" ? "50 000" : "all"));
  }
  return metric;
}

}  // namespace echopath::evaluation
