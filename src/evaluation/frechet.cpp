#include "echopath/evaluation/frechet.hpp"

#include <algorithm>
#include <string>

#include "echopath/core/errors.hpp"

namespace echopath::evaluation {

FeatureStatistics::FeatureStatistics(std::int64_t width)
    : width_(width),
      sum_(at::zeros({width}, at::kDouble)),
      outer_(at::zeros({width, width}, at::kDouble)) {}

void FeatureStatistics::add(const at::Tensor& features) {
  if (features.dim() != 2 || features.size(1) != width_) {
    throw DataError("features of width " + std::to_string(width_) + " are expected, these are " +
                    std::to_string(features.dim() == 2 ? features.size(1) : features.dim()) +
                    (features.dim() == 2 ? " wide" : "-dimensional"));
  }
  const at::Tensor rows = features.detach().to(at::kCPU, at::kDouble);
  if (!rows.isfinite().all().item<bool>()) {
    throw DataError("features are not finite; look at the videos or the detector they came from");
  }
  count_ += rows.size(0);
  sum_ += rows.sum(0);
  outer_ += rows.t().mm(rows);
}

at::Tensor FeatureStatistics::mean() const {
  if (count_ < 1) throw DataError("there are no features to take the mean of");
  return sum_ / static_cast<double>(count_);
}

at::Tensor FeatureStatistics::covariance(std::int64_t ddof) const {
  if (count_ <= ddof) {
    throw DataError("a covariance needs more than " + std::to_string(ddof) + " items; there are " +
                    std::to_string(count_));
  }
  const at::Tensor centre = mean();
  const double n = static_cast<double>(count_);
  return (outer_ - n * centre.outer(centre)) / (n - static_cast<double>(ddof));
}

double frechet_distance(const at::Tensor& mean_a, const at::Tensor& covariance_a,
                        const at::Tensor& mean_b, const at::Tensor& covariance_b) {
  const auto [values, vectors] = at::linalg_eigh(covariance_a);
  const at::Tensor root = (vectors * values.clamp_min(0).sqrt()).mm(vectors.t());
  const at::Tensor product = root.mm(covariance_b).mm(root);
  const double root_trace = at::linalg_eigvalsh(product).clamp_min(0).sqrt().sum().item<double>();
  const double means = (mean_a - mean_b).square().sum().item<double>();
  const double traces = (covariance_a.trace() + covariance_b.trace()).item<double>();
  return std::max(0.0, means + traces - 2.0 * root_trace);
}

double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b, std::int64_t ddof) {
  return frechet_distance(a.mean(), a.covariance(ddof), b.mean(), b.covariance(ddof));
}

double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b,
                        const models::Compatibility& compatibility) {
  return frechet_distance(a, b, compatibility.covariance_ddof);
}

}  // namespace echopath::evaluation
