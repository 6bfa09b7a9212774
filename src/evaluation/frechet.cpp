#include "echopath/evaluation/frechet.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "echopath/core/errors.hpp"

namespace echopath::evaluation {
namespace {

/// Eigenvalue solvers stop with an error of their own at values that are not finite.
const at::Tensor& require_finite(const at::Tensor& matrix) {
  if (matrix.isfinite().all().item<bool>()) return matrix;
  throw DataError(
      "the Fréchet distance is not a finite number: the features are so large that their "
      "covariance overflows; look at the detector that they came from, or scale both sides alike");
}

/// Sum of the square roots of the eigenvalues of a symmetric matrix; negative ones count as 0.
double root_trace_of(const at::Tensor& matrix) {
  return at::linalg_eigvalsh(require_finite(matrix)).clamp_min(0).sqrt().sum().item<double>();
}

}  // namespace

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

FeatureStatistics FeatureStatistics::without(const FeatureStatistics& part) const {
  FeatureStatistics rest(width_);
  rest.count_ = count_ - part.count_;
  rest.sum_ = sum_ - part.sum_;
  rest.outer_ = outer_ - part.outer_;
  return rest;
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

std::int64_t FeatureStatistics::rank() const {
  const at::Tensor matrix = covariance(0);
  const at::Tensor values = at::linalg_eigvalsh(require_finite(matrix));
  const double second_moment = (matrix.trace() + mean().square().sum()).item<double>();
  const double least = 1e-12 * values.max().item<double>() + 1e-13 * second_moment;
  return values.gt(least).sum().item<std::int64_t>();
}

at::Tensor covariance_root(const at::Tensor& covariance) {
  const auto [values, vectors] = at::linalg_eigh(require_finite(covariance));
  return (vectors * values.clamp_min(0).sqrt()).mm(vectors.t());
}

double frechet_distance_from_root(const at::Tensor& mean_a, const at::Tensor& root_a,
                                  const at::Tensor& mean_b, const at::Tensor& covariance_b) {
  const at::Tensor product = root_a.mm(covariance_b).mm(root_a);
  const double root_trace = root_trace_of(product);
  const double means = (mean_a - mean_b).square().sum().item<double>();
  // The trace of Σa is that of its root's square.
  const double traces = (root_a.square().sum() + covariance_b.trace()).item<double>();
  return std::max(0.0, means + traces - 2.0 * root_trace);
}

double frechet_distance_of_rows(const at::Tensor& a, const at::Tensor& b, std::int64_t ddof) {
  const at::Tensor mean_a = a.mean(0), mean_b = b.mean(0);
  const at::Tensor rows_a = (a - mean_a) / std::sqrt(static_cast<double>(a.size(0) - ddof));
  const at::Tensor rows_b = (b - mean_b) / std::sqrt(static_cast<double>(b.size(0) - ddof));
  const at::Tensor product = rows_a.mm(rows_b.t());
  const at::Tensor small =
      a.size(0) <= b.size(0) ? product.mm(product.t()) : product.t().mm(product);
  const double root_trace = root_trace_of(small);
  const double means = (mean_a - mean_b).square().sum().item<double>();
  const double traces = (rows_a.square().sum() + rows_b.square().sum()).item<double>();
  return std::max(0.0, means + traces - 2.0 * root_trace);
}

double frechet_distance(const at::Tensor& mean_a, const at::Tensor& covariance_a,
                        const at::Tensor& mean_b, const at::Tensor& covariance_b) {
  return frechet_distance_from_root(mean_a, covariance_root(covariance_a), mean_b, covariance_b);
}

double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b, std::int64_t ddof) {
  return frechet_distance(a.mean(), a.covariance(ddof), b.mean(), b.covariance(ddof));
}

double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b,
                        const models::Compatibility& compatibility) {
  return frechet_distance(a, b, compatibility.covariance_ddof);
}

}  // namespace echopath::evaluation
