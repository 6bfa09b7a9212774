#include "evaluation/metric_checks.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "echopath/core/errors.hpp"

namespace echopath::evaluation {
namespace {

double largest_size(const at::Tensor& features) {
  const auto [least, most] = features.aminmax();
  return std::max(std::abs(least.item<double>()), std::abs(most.item<double>()));
}

}  // namespace

void require_comparable(const FeatureTable& real, const FeatureTable& synthetic,
                        const std::string& what) {
  if (real.features.size(1) != synthetic.features.size(1)) {
    throw DataError("features of width " + std::to_string(real.features.size(1)) + " and " +
                    std::to_string(synthetic.features.size(1)) +
                    " cannot be compared; both sides must come from one detector");
  }
  if (std::min(real.rows(), synthetic.rows()) >= 2) return;
  throw DataError(what + " needs two rows or more on each side; there are " +
                  std::to_string(real.rows()) + " and " + std::to_string(synthetic.rows()));
}

void refuse_overflow(const std::string& what, const FeatureTable& real,
                     const FeatureTable& synthetic) {
  std::ostringstream size;
  size << std::max(largest_size(real.features), largest_size(synthetic.features));
  throw DataError("the " + what + " is not a finite number: features are as large as " +
                  size.str() +
                  ", so that sums of their products overflow; look at the detector that they came "
                  "from, or scale both sides alike");
}

void require_finite(const MetricValue& metric, const FeatureTable& real,
                    const FeatureTable& synthetic) {
  const Estimate& estimate = metric.estimate;
  bool finite = std::isfinite(estimate.value) && std::isfinite(metric.spread.value_or(0.0));
  if (estimate.has_interval) {
    finite = finite && std::isfinite(estimate.low) && std::isfinite(estimate.high);
  }
  if (!finite) refuse_overflow(metric.metric, real, synthetic);
}

}  // namespace echopath::evaluation
