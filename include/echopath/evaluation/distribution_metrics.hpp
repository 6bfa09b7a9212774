#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "echopath/evaluation/feature_table.hpp"
#include "echopath/evaluation/jackknife.hpp"
#include "echopath/evaluation/protocol.hpp"

namespace echopath::evaluation {

/// Fréchet distance of two sides; features are added up batch by batch, and each fold is left out
/// of the sums. The corrected figure and the interval are cut at 0, where a distance ends. Throws
/// DataError on fewer than two rows a side and on different widths.
MetricValue frechet_metric(const FeatureTable& real, const FeatureTable& synthetic,
                           const MetricProtocol& protocol, const IntervalOptions& options);

/// Kernel distance (KID; Bińkowski et al., 2018): unbiased squared maximum mean discrepancy with
/// the kernel (x·y/D + 1)³, of all rows or over subsets as the protocol says. The corrected figure
/// leaves patients out on a side, so that many frames of few videos do not count as independent.
MetricValue kernel_metric(const FeatureTable& real, const FeatureTable& synthetic,
                          const MetricProtocol& protocol, const IntervalOptions& options);

/// Precision and recall (Kynkäänniemi et al., 2019) and density and coverage (Naeem et al., 2020),
/// in this order. Their intervals are of the figure to expect of as many patients: the patients of
/// both sides are dealt at random to two halves, `folds` times; the halves' figures are
/// independent, and a quarter of their mean squared difference is the variance of the figure of all
/// (McCarthy, 1969). A jackknife would count what several rows decide together once for each of
/// them, and overstate the variance. On the scale of the arcsine (density: of the square root) an
/// interval stays within the figure's range. There is none where halves have too few neighbours, or
/// all give the same figure. Distances are looked at block by block, so that beside the features
/// memory grows by a few hundred bytes a row at 20 folds. Throws DataError on fewer patients (with
/// `neighbours` "any": rows) than neighbours are looked for.
std::vector<MetricValue> manifold_metrics(const FeatureTable& real, const FeatureTable& synthetic,
                                          const MetricProtocol& protocol,
                                          const IntervalOptions& options);

/// Inception score of one side from its class probabilities; the corrected figure and the interval
/// are those of the score of all rows at once.
MetricValue inception_metric(const FeatureTable& table, const MetricProtocol& protocol,
                             const IntervalOptions& options);

/// numpy's RandomState(seed).permutation(n), n up to 2³², for tools that shuffle by it.
class NumpyRandom {
 public:
  explicit NumpyRandom(std::uint32_t seed);
  ~NumpyRandom();
  NumpyRandom(const NumpyRandom&) = delete;
  NumpyRandom& operator=(const NumpyRandom&) = delete;
  std::vector<std::int64_t> permutation(std::int64_t n);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace echopath::evaluation
