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

  /// What is left when the rows of `part`, which were added here too, are taken out again.
  FeatureStatistics without(const FeatureStatistics& part) const;

  std::int64_t count() const { return count_; }
  /// [width], float64. Throws DataError where nothing was added.
  at::Tensor mean() const;
  /// [width, width], float64, divided by N − ddof: 1 is unbiased, 0 is StyleGAN-V's choice. Throws
  /// DataError where N ≤ ddof.
  at::Tensor covariance(std::int64_t ddof = 1) const;
  /// In how many directions the features vary: eigenvalues of the covariance above 1e-12 of the
  /// largest and above what rounding leaves of the sums. Below the width, the covariance is
  /// singular. Throws DataError where nothing was added.
  std::int64_t rank() const;

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

/// The same from the rows themselves, [N, D] and [M, D] float64: the trace of the root is that of
/// the singular values of the product of the centred rows, [N, M], which is much smaller than Σ
/// where there are few rows.
double frechet_distance_of_rows(const at::Tensor& a, const at::Tensor& b, std::int64_t ddof = 1);

/// The symmetric square root of a covariance; negative eigenvalues count as 0.
at::Tensor covariance_root(const at::Tensor& covariance);
/// The same distance where Σa^½ is there already: one side against many others.
double frechet_distance_from_root(const at::Tensor& mean_a, const at::Tensor& root_a,
                                  const at::Tensor& mean_b, const at::Tensor& covariance_b);
/// The divisor is `covariance_ddof`'s.
double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b,
                        const models::Compatibility& compatibility);

}  // namespace echopath::evaluation
