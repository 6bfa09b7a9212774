// Metrics on the same features against torch-fidelity 0.4.0, torchmetrics 1.9.0 and closed forms.
#include "echopath/evaluation/distribution_metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "evaluation/made_table.hpp"
#include "evaluation/reference.hpp"

namespace echopath::evaluation {
namespace {

using testing::metric;
using testing::table_of;

constexpr IntervalOptions kNoIntervals{.folds = 0};

FeatureTable named(const char* name) {
  return table_of(metric(name));
}

/// The made value within 1e-3 of each of the expected ones, relatively.
void expect_close(double made, const at::Tensor& expected) {
  for (std::int64_t i = 0; i < expected.numel(); ++i) {
    const double value = expected[i].item<double>();
    EXPECT_NEAR(made, value, 1e-3 * std::abs(value));
  }
}

TEST(DistributionMetrics, FrechetDistanceIsThatOfTheOtherTools) {
  const MetricProtocol protocol = protocol_of("torch-fidelity");
  expect_close(frechet_metric(named("a"), named("b"), protocol, kNoIntervals).estimate.value,
               metric("fid"));
}

TEST(DistributionMetrics, FrechetDistanceBelowTheWidthIsFiniteTheSameAndWarnedOf) {
  const MetricValue made =
      frechet_metric(named("few_a"), named("few_b"), protocol_of("torchmetrics"), kNoIntervals);
  expect_close(made.estimate.value, metric("few_fid"));
  ASSERT_EQ(made.warnings.size(), 1U);
  EXPECT_THAT(made.warnings[0], ::testing::HasSubstr("singular covariance: 20 real rows"));
  const MetricValue equal_rows =
      frechet_metric(table_of(at::ones({5, 3})), table_of(at::ones({5, 3})), {}, kNoIntervals);
  EXPECT_EQ(equal_rows.estimate.value, 0.0);
}

TEST(DistributionMetrics, ASingularCovarianceOfManyRowsIsFiniteAndWarnedOf) {
  torch::manual_seed(5);
  const auto measured = [](const at::Tensor& real, const at::Tensor& synthetic) {
    return frechet_metric(table_of(real), table_of(synthetic), {}, kNoIntervals);
  };
  const at::Tensor rows = at::randn({50, 8}, at::kDouble), others = at::randn({60, 8}, at::kDouble);
  EXPECT_TRUE(measured(rows, others).warnings.empty());
  // 50 equal rows: what is left is the distance of the means and the variance of the other side.
  const at::Tensor constant = at::full({50, 8}, 0.7, at::kDouble);
  const MetricValue still = measured(constant, others);
  EXPECT_NEAR(
      still.estimate.value,
      (others.mean(0) - 0.7).square().sum().item<double>() + others.var(0).sum().item<double>(),
      1e-5);
  ASSERT_EQ(still.warnings.size(), 1U);
  EXPECT_THAT(still.warnings[0],
              ::testing::StartsWith("singular covariance: 50 real rows vary in 0 of 8 directions"));
  at::Tensor dead = others.clone();
  dead.slice(1, 0, 3).zero_();
  const MetricValue partly = measured(rows, dead);
  EXPECT_TRUE(std::isfinite(partly.estimate.value));
  ASSERT_EQ(partly.warnings.size(), 1U);
  EXPECT_THAT(
      partly.warnings[0],
      ::testing::StartsWith("singular covariance: 60 synthetic rows vary in 5 of 8 directions"));
}

TEST(DistributionMetrics, KernelDistanceOfAllRowsIsThatOfTheOtherTools) {
  const FeatureTable real = table_of(metric("a").slice(0, 0, 50));
  expect_close(kernel_metric(real, named("b"), {}, kNoIntervals).estimate.value,
               metric("kid_whole"));
}

TEST(DistributionMetrics, KernelDistanceOverSubsetsIsTorchFidelitys) {
  MetricProtocol protocol = protocol_of("torch-fidelity");
  protocol.kid_subsets = 8;
  protocol.kid_subset_size = 30;
  const MetricValue made = kernel_metric(named("a"), named("b"), protocol, kNoIntervals);
  expect_close(made.estimate.value, metric("kid_parts").slice(0, 0, 1));
  expect_close(made.spread.value(), metric("kid_parts").slice(0, 1, 2));
}

TEST(DistributionMetrics, PrecisionRecallDensityAndCoverageAreThePublishedOnes) {
  const auto made = manifold_metrics(named("a"), named("b"), {}, kNoIntervals);
  for (std::size_t i = 0; i < made.size(); ++i) {
    EXPECT_NEAR(made[i].estimate.value, metric("prdc")[static_cast<std::int64_t>(i)].item<double>(),
                1e-6)
        << made[i].metric;
  }
}

TEST(DistributionMetrics, RowsOfOnePatientAreNoNeighbours) {
  // Two real videos of 8 nearly equal frames, far apart, and synthetic rows between them.
  at::Tensor real = at::zeros({16, 2}, at::kDouble);
  real.slice(0, 8, 16).add_(10.0);
  real += at::arange(32, at::kDouble).view({16, 2}) * 1e-3;
  const FeatureTable synthetic =
      table_of(at::full({8, 2}, 4.0, at::kDouble) + at::arange(16, at::kDouble).view({8, 2}) * 0.1);
  MetricProtocol protocol;
  protocol.precision_neighbours = protocol.density_neighbours = 1;
  EXPECT_EQ(
      manifold_metrics(table_of(real, 8), synthetic, protocol, kNoIntervals)[0].estimate.value,
      1.0);
  protocol.neighbours = "any";
  EXPECT_EQ(
      manifold_metrics(table_of(real, 8), synthetic, protocol, kNoIntervals)[0].estimate.value,
      0.0);
}

MetricValue score(const char* parts, const char* order, std::int64_t ddof = 0) {
  FeatureTable table = table_of(at::zeros({95, 1}));
  table.log_probabilities = metric("logits").log_softmax(1);
  MetricProtocol protocol;
  protocol.is_splits = 10;
  protocol.is_parts = parts;
  protocol.is_order = order;
  protocol.is_ddof = ddof;
  return inception_metric(table, protocol, kNoIntervals);
}

TEST(DistributionMetrics, InceptionScoreIsThatOfTheOtherTools) {
  const std::vector<std::pair<MetricValue, const char*>> cases = {
      {score("rows", "file"), "is_file"},
      {score("rows", "numpy"), "is_numpy"},
      {score("chunks", "file", 1), "is_chunks"}};
  for (const auto& [made, name] : cases) {
    EXPECT_NEAR(made.estimate.value, metric(name)[0].item<double>(), 1e-5) << name;
    EXPECT_NEAR(made.spread.value(), metric(name)[1].item<double>(), 1e-5) << name;
  }
}

TEST(DistributionMetrics, InceptionScoreWithStyleGansPartsIsNotANumberOfFewRowsAndSaysSo) {
  const MetricValue made = score("50000", "file");
  EXPECT_TRUE(std::isnan(made.estimate.value));
  ASSERT_EQ(made.warnings.size(), 1U);
}

TEST(DistributionMetrics, NumpysPermutationsAreReproduced) {
  NumpyRandom random(2020);
  std::vector<std::int64_t> made;
  for (const std::int64_t n : {10, 300, 7}) {
    for (const std::int64_t place : random.permutation(n)) made.push_back(place);
  }
  EXPECT_TRUE(at::tensor(made, at::kLong).equal(metric("numpy_orders")));
}

TEST(DistributionMetrics, SetsThatAreTooSmallAreRefused) {
  const FeatureTable one = table_of(at::ones({1, 3}));
  expect_error<DataError>([&] { frechet_metric(one, named("b"), {}, kNoIntervals); }, "");
  const FeatureTable four = table_of(at::eye(4, 12));
  expect_error<DataError>([&] { manifold_metrics(four, named("b"), {}, kNoIntervals); },
                          "need 6 real patients or more; there are 4");
}

TEST(DistributionMetrics, FeaturesThatOverflowAreRefusedAndTheirSizeIsTold) {
  torch::manual_seed(6);
  const auto scaled = [](double scale) {
    return table_of(at::randn({30, 4}, at::kDouble) * scale);
  };
  const FeatureTable one = scaled(1.0);
  // Finite values, but a cube of 1e90 squared for the variance is not.
  const FeatureTable large = scaled(1e30);
  EXPECT_TRUE(std::isfinite(frechet_metric(large, scaled(1e30), {}, {}).estimate.high));
  expect_error<DataError>([&] { kernel_metric(large, scaled(1e30), {}, {}); },
                          "the kernel distance is not a finite number: features are as large as ");
  expect_error<DataError>([&] { manifold_metrics(one, scaled(1e60), {}, kNoIntervals); },
                          "the distance of features is not a finite number");
  // A covariance that overflows, by sums (more rows than features) and by rows (fewer).
  const FeatureTable huge = scaled(1e200);
  expect_error<DataError>([&] { frechet_metric(one, huge, {}, {}); },
                          "the Fréchet distance is not a finite number");
  const FeatureTable wide = table_of(at::randn({5, 40}, at::kDouble) * 1e120);
  expect_error<DataError>([&] { frechet_metric(wide, wide, {}, {}); },
                          "the Fréchet distance is not a finite number");
}

TEST(DistributionMetrics, AFeatureFileIsReadAndCheckedRowByRow) {
  const TemporaryDirectory folder;
  at::Tensor features = at::arange(12.0, at::kFloat).view({6, 2}).clone();
  io::save_safetensors(folder / "f.safetensors",
                       {{"features", features}, {"groups", at::tensor({4, 4, 5, 6, 6, 6})}});
  const FeatureTable table = read_feature_table(folder / "f.safetensors");
  EXPECT_EQ(table.rows(), 6);
  EXPECT_EQ(table.patient_count(), 3);
  EXPECT_EQ(table.videos[2].count(), 3);
  features[3][1] = std::nan("");
  io::save_safetensors(folder / "f.safetensors", {{"features", features}});
  expect_error<DataError>([&] { read_feature_table(folder / "f.safetensors"); },
                          "row 3 of features (counted from 0) holds a value that is not finite");
  io::save_safetensors(folder / "f.safetensors", {{"x", features}});
  expect_error<DataError>([&] { read_feature_table(folder / "f.safetensors"); },
                          "no tensor called features");
}

TEST(FeatureTable, SpreadTakesRowsEvenlyAndKeepsWhoseTheyAre) {
  const FeatureTable all = table_of(at::arange(100.0).view({100, 1}), 10);
  const FeatureTable some = all.spread(20);
  EXPECT_EQ(some.rows(), 20);
  EXPECT_EQ(some.videos.size(), 10U);
  EXPECT_EQ(some.features[some.videos[3].begin].item<double>(), 30.0);
  EXPECT_EQ(all.first(15).videos.back().count(), 5);
}

}  // namespace
}  // namespace echopath::evaluation
