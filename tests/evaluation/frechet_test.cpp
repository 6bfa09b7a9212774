#include "echopath/evaluation/frechet.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <limits>

#include "echopath/core/errors.hpp"
#include "evaluation/reference.hpp"

namespace echopath::evaluation {
namespace {

at::Tensor doubles(std::vector<double> values) {
  return at::tensor(values, at::kDouble);
}

TEST(Frechet, OfDiagonalGaussiansIsTheClosedForm) {
  // sum (mu_a - mu_b)^2 + sum (sigma_a - sigma_b)^2 for commuting covariances.
  const double distance = frechet_distance(doubles({0, 1, 2}), at::diag(doubles({1, 4, 9})),
                                           doubles({1, 1, 0}), at::diag(doubles({4, 4, 1})));
  EXPECT_NEAR(distance, (1 + 0 + 4) + (1 + 0 + 4), 1e-10);
}

TEST(Frechet, OfNonCommutingCovariancesEqualsTheMatrixSquareRoot) {
  // Reference: scipy.linalg.sqrtm([[2, .5], [.5, 1]] @ [[1, -.3], [-.3, 3]]), real trace.
  // tr sqrt(M) of a 2x2 matrix is sqrt(tr M + 2 sqrt(det M)).
  const at::Tensor a = doubles({2, 0.5, 0.5, 1}).view({2, 2});
  const at::Tensor b = doubles({1, -0.3, -0.3, 3}).view({2, 2});
  const double trace = a.mm(b).trace().item<double>();
  const double determinant = (2 * 1 - 0.25) * (1 * 3 - 0.09);
  const double expected = 3 + 4 - 2 * std::sqrt(trace + 2 * std::sqrt(determinant));
  EXPECT_NEAR(frechet_distance(doubles({0, 0}), a, doubles({0, 0}), b), expected, 1e-10);
}

TEST(Frechet, OfFeaturesEqualsTheReferenceWithEitherDivisor) {
  const auto gathered = [](const char* name) {
    FeatureStatistics statistics(6);
    statistics.add(testing::reference().at(name));
    return statistics;
  };
  const FeatureStatistics a = gathered("features_a"), b = gathered("features_b");
  const at::Tensor expected = testing::reference().at("frechet");
  for (const std::int64_t ddof : {0, 1}) {
    EXPECT_NEAR(frechet_distance(a, b, ddof), expected[ddof].item<double>(), 1e-9) << ddof;
  }
}

TEST(Frechet, OfRowsEqualsThatOfTheirCovariances) {
  torch::manual_seed(2);
  const at::Tensor a = at::randn({9, 16}, at::kDouble),
                   b = at::randn({12, 16}, at::kDouble) * 2 + 1;
  for (const std::int64_t ddof : {0, 1}) {
    FeatureStatistics of_a(16), of_b(16);
    of_a.add(a);
    of_b.add(b);
    EXPECT_NEAR(frechet_distance_of_rows(a, b, ddof), frechet_distance(of_a, of_b, ddof), 1e-6);
    EXPECT_NEAR(frechet_distance_of_rows(b, a, ddof), frechet_distance(of_a, of_b, ddof), 1e-6);
  }
}

TEST(Frechet, IsFiniteForFewerItemsThanFeatures) {
  torch::manual_seed(0);
  FeatureStatistics a(16), b(16);
  a.add(at::randn({5, 16}));
  b.add(at::randn({6, 16}));
  const double distance = frechet_distance(a, b);
  EXPECT_TRUE(std::isfinite(distance));
  EXPECT_GT(distance, 0.0);
}

TEST(FeatureStatistics, GatheredInBatchesEqualsAtOnce) {
  torch::manual_seed(1);
  const at::Tensor features = at::randn({40, 7}, at::kDouble) * 3 + 5;
  FeatureStatistics statistics(7);
  statistics.add(features.slice(0, 0, 13));
  statistics.add(features.slice(0, 13));
  EXPECT_EQ(statistics.count(), 40);
  EXPECT_TRUE(at::allclose(statistics.mean(), features.mean(0)));
  EXPECT_TRUE(at::allclose(statistics.covariance(), features.t().cov(), 1e-9, 1e-9));
  EXPECT_TRUE(at::allclose(statistics.covariance(0) * 40 / 39, statistics.covariance(1)));
}

TEST(FeatureStatistics, RankCountsTheDirectionsInWhichTheRowsVary) {
  torch::manual_seed(4);
  const auto rank_of = [](const at::Tensor& features) {
    FeatureStatistics statistics(features.size(1));
    statistics.add(features);
    return statistics.rank();
  };
  const at::Tensor rows = at::randn({50, 8}) * 0.1 + 3;
  EXPECT_EQ(rank_of(rows), 8);
  EXPECT_EQ(rank_of(rows.slice(0, 0, 5)), 4);
  EXPECT_EQ(rank_of(rows.slice(0, 0, 1).repeat({50, 1})), 0);
  EXPECT_EQ(rank_of(at::zeros({50, 8})), 0);
  at::Tensor dead = rows.clone();
  dead.slice(1, 5, 7).zero_();
  EXPECT_EQ(rank_of(dead), 6);
  at::Tensor doubled = rows.clone();
  doubled.select(1, 3).copy_(doubled.select(1, 2) * 2);
  EXPECT_EQ(rank_of(doubled), 7);
  // Small beside the others, but there.
  at::Tensor small = rows.clone();
  small.select(1, 0).mul_(1e-4);
  EXPECT_EQ(rank_of(small), 8);
}

TEST(FeatureStatistics, RefusesWrongWidthAndValuesThatAreNotFinite) {
  FeatureStatistics statistics(3);
  EXPECT_THROW(statistics.add(at::zeros({2, 4})), DataError);
  EXPECT_THROW(statistics.add(at::full({2, 3}, std::numeric_limits<double>::quiet_NaN())),
               DataError);
  EXPECT_THROW(statistics.mean(), DataError);
}

}  // namespace
}  // namespace echopath::evaluation
