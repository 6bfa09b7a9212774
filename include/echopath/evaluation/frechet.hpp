#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "echopath/models/compatibility.hpp"

namespace echopath::evaluation {

/// Mean and covariance of a set of feature vectors, gathered batch by batch in float64, so that
/// memory does not grow with the number of items.
class FeatureStatistics {
 public:
  explicit FeatureStatistics(std::int64_t width);

  /// features [N, width], any floating type. Throws DataError on another width or values that are
  /// not finite.
  void add(const at::Tensor& features);

  std::int64_t count() const { return count_; }
  /// [width], float64. Throws DataError where nothing was added.
  at::Tensor mean() const;
  /// [width, width], float64, divided by N − ddof: 1 is unbiased, 0 is StyleGAN-V's choice. Throws
  /// DataError where N ≤ ddof.
  at::Tensor covariance(std::int64_t ddof = 1) const;

 private:
  std::int64_t width_;
  std::int64_t count_ = 0;
  at::Tensor sum_;
  at::Tensor outer_;
};

/// Fréchet distance between two Gaussians (Dowson & Landau, 1982), the formula of FID (Heusel et
/// al., 2017): ‖μa − μb‖² + tr(Σa + Σb − 2(Σa Σb)^½). The trace of the root is taken from the
/// eigenvalues of the symmetric Σa^½ Σb Σa^½, which stays finite for singular covariances.
double frechet_distance(const at::Tensor& mean_a, const at::Tensor& covariance_a,
                        const at::Tensor& mean_b, const at::Tensor& covariance_b);
double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b,
                        std::int64_t ddof = 1);
/// The divisor is `covariance_ddof`'s.
double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b,
                        const models::Compatibility& compatibility);

}  // namespace echopath::evaluation
