// Intervals: their coverage on Gaussians whose distance is known, and their parts.
#include "echopath/evaluation/jackknife.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "echopath/core/random.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"
#include "evaluation/made_table.hpp"

namespace echopath::evaluation {
namespace {

using testing::table_of;

TEST(Jackknife, StudentsQuantilesAreThoseOfTables) {
  EXPECT_NEAR(student_quantile(0.975, 1), 12.706, 1e-3);
  EXPECT_NEAR(student_quantile(0.975, 2), 4.3027, 1e-3);
  EXPECT_NEAR(student_quantile(0.975, 4), 2.7764, 1e-2);
  EXPECT_NEAR(student_quantile(0.975, 19), 2.0930, 1e-3);
  EXPECT_NEAR(student_quantile(0.95, 30), 1.6973, 1e-3);
}

TEST(Jackknife, OfAMeanIsItsStandardErrorAndHasNoBias) {
  const std::vector<double> x = {1, 4, 4, 7, 9};
  LeftOut left_out;
  for (const double value : x) {
    left_out.values.push_back((25 - value) / 4);
    left_out.rows.push_back(1);
  }
  const Estimate made = jackknife(5.0, {left_out});
  EXPECT_NEAR(made.corrected, 5.0, 1e-12);
  EXPECT_NEAR(made.deviation, std::sqrt(38.0 / 4 / 5), 1e-12);
  EXPECT_NEAR(made.high, 5.0 + student_quantile(0.975, 4) * made.deviation, 1e-12);
}

TEST(Jackknife, TakesOutTheBiasOfAVarianceDividedByN) {
  // Σ(x − mean)²/N has the bias −σ²/N; the corrected figure is the unbiased one.
  const std::vector<double> x = {1, 4, 4, 7, 9};
  const auto variance = [](const std::vector<double>& values) {
    return at::tensor(values, at::kDouble).var(0, /*unbiased=*/false).item<double>();
  };
  LeftOut left_out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::vector<double> rest = x;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    left_out.values.push_back(variance(rest));
    left_out.rows.push_back(1);
  }
  EXPECT_NEAR(jackknife(variance(x), {left_out}).corrected, variance(x) * 5 / 4, 1e-12);
}

TEST(Jackknife, IsCutWhereItsFigureEnds) {
  Estimate below{1.1, 0.9, 0.1, 0.7, 1.1, true};
  cut_at(below, 1.0);
  EXPECT_EQ(below.value, 1.1);
  EXPECT_EQ(below.corrected, 1.0);
  EXPECT_EQ(below.low, 1.0);
  EXPECT_NEAR(below.high, 1.2, 1e-12);
  Estimate above{3.0, 2.9, 0.1, 2.7, 3.1, true};
  cut_at(above, 1.0);
  EXPECT_EQ(above.corrected, 2.9);
  EXPECT_NEAR(above.low, 2.7, 1e-12);
  EXPECT_NEAR(above.high, 3.1, 1e-12);
  Estimate none{0.5, 0.5, 0.0, 0.5, 0.5, false};
  cut_at(none, 1.0);
  EXPECT_EQ(none.low, 0.5);
}

TEST(Jackknife, FoldsKeepPatientsTogether) {
  const Folds folds = make_folds(table_of(at::zeros({30, 1}), 3), 4, 1);
  EXPECT_EQ(folds.count(), 4);
  EXPECT_EQ(folds.rows[0] + folds.rows[1] + folds.rows[2] + folds.rows[3], 30);
  const at::Tensor by_patient = folds.fold_of_row.view({10, 3});
  EXPECT_TRUE((by_patient == by_patient.slice(1, 0, 1)).all().item<bool>());
  EXPECT_EQ(make_folds(table_of(at::zeros({6, 1}), 3), 20, 1).count(), 2);
}

/// Rows of patients: a part that all rows of a patient share, and a part of their own; of variance
/// 1 together.
at::Tensor gaussians(std::int64_t patients, std::int64_t per_patient, std::int64_t width,
                     std::uint32_t seed) {
  const at::Tensor shared = normal_tensor({patients, width}, {seed, Stream::kDataset, 1, 0});
  const at::Tensor own =
      normal_tensor({patients * per_patient, width}, {seed, Stream::kDataset, 2, 0});
  const double share = per_patient == 1 ? 0.0 : 0.5;
  return std::sqrt(share) * shared.repeat_interleave(per_patient, 0) + std::sqrt(1 - share) * own;
}

struct Coverage {
  double share = 0.0;
  double mean_value = 0.0;
  double mean_corrected = 0.0;
  double mean_high = 0.0;
};

/// How often the interval of a metric holds the true figure, over repetitions: 0 where both sides
/// are of one distribution.
template <class Metric>
Coverage coverage_of(int repetitions, std::int64_t patients, std::int64_t per_patient,
                     std::int64_t width, double truth, const Metric& metric) {
  Coverage result;
  const at::Tensor scale =
      truth == 0.0 ? at::ones({width}) : at::linspace(0.5, 2.0, width, at::kFloat);
  const double shift = truth == 0.0 ? 0.0 : 0.25;
  for (int r = 0; r < repetitions; ++r) {
    const auto seed = static_cast<std::uint32_t>(2 * r);
    const at::Tensor real = gaussians(patients, per_patient, width, seed);
    const at::Tensor synthetic = gaussians(patients, per_patient, width, seed + 1) * scale + shift;
    const Estimate made =
        metric(table_of(real, per_patient), table_of(synthetic, per_patient)).estimate;
    result.mean_high += made.high / repetitions;
    result.share += made.low <= truth && truth <= made.high ? 1.0 : 0.0;
    result.mean_value += made.value;
    result.mean_corrected += made.corrected;
  }
  result.share /= repetitions;
  result.mean_value /= repetitions;
  result.mean_corrected /= repetitions;
  return result;
}

/// Between N(0, 1) and N(0.25, s²) in every dimension.
double true_distance(std::int64_t width) {
  const at::Tensor scale = at::linspace(0.5, 2.0, width, at::kDouble);
  return 0.0625 * static_cast<double>(width) + (scale - 1).square().sum().item<double>();
}

MetricValue frechet(const FeatureTable& real, const FeatureTable& synthetic) {
  return frechet_metric(real, synthetic, {}, {});
}

TEST(FrechetInterval, CoversTheTrueDistanceOfGaussiansAsOftenAsItSays) {
  const double truth = true_distance(8);
  const Coverage made = coverage_of(120, 150, 1, 8, truth, frechet);
  EXPECT_GE(made.share, 0.90);
  // The figure itself is biased upward, and the corrected one is not.
  EXPECT_GT(made.mean_value, 1.08 * truth);
  EXPECT_NEAR(made.mean_corrected, truth, 0.03 * truth);
}

TEST(FrechetInterval, CoversItWithFewerRowsThanTheWidth) {
  const double truth = true_distance(64);
  const Coverage made = coverage_of(30, 60, 1, 64, truth, frechet);
  EXPECT_GE(made.share, 0.86);
  EXPECT_GT(made.mean_value, 2 * truth);
  EXPECT_NEAR(made.mean_corrected, truth, 0.15 * truth);
}

TEST(FrechetInterval, CountsPatientsAndNotTheirRows) {
  const double truth = true_distance(6);
  EXPECT_GE(coverage_of(80, 40, 8, 6, truth, frechet).share, 0.88);
  // Rows taken as independent: the interval is too short.
  const auto by_row = [](const FeatureTable& real, const FeatureTable& synthetic) {
    return frechet(table_of(real.features, 1), table_of(synthetic.features, 1));
  };
  EXPECT_LT(coverage_of(80, 40, 8, 6, truth, by_row).share, 0.86);
}

TEST(FrechetInterval, OfOneDistributionOnBothSidesHoldsZeroAndNothingBelow) {
  const auto not_below = [](const FeatureTable& real, const FeatureTable& synthetic) {
    const MetricValue made = frechet(real, synthetic);
    EXPECT_GE(made.estimate.corrected, 0.0);
    EXPECT_GE(made.estimate.low, 0.0);
    EXPECT_GT(made.estimate.high, made.estimate.corrected);
    return made;
  };
  const Coverage made = coverage_of(60, 150, 1, 8, 0.0, not_below);
  EXPECT_GE(made.share, 0.95);
  // And is narrower than what the bias alone makes of the figure.
  EXPECT_LT(made.mean_high, made.mean_value);
  EXPECT_LT(made.mean_corrected, 0.15 * made.mean_value);
}

TEST(FrechetInterval, OfFewerPatientsThanFeaturesLiesTooHighAndIsWarnedOf) {
  const auto warned = [](const FeatureTable& real, const FeatureTable& synthetic) {
    const MetricValue made = frechet(real, synthetic);
    EXPECT_THAT(
        made.warnings,
        ::testing::Contains(::testing::HasSubstr("20 real patients for features of width 40")));
    EXPECT_THAT(made.warnings, ::testing::Contains(::testing::HasSubstr(
                                   "20 synthetic patients for features of width 40")));
    return made;
  };
  const double truth = true_distance(40);
  const Coverage made = coverage_of(20, 20, 1, 40, truth, warned);
  EXPECT_LT(made.share, 0.5);
  EXPECT_GT(made.mean_corrected, 1.5 * truth);
  // As many patients as features are enough.
  const MetricValue enough =
      frechet(table_of(gaussians(40, 1, 40, 0), 1), table_of(gaussians(40, 1, 40, 1), 1));
  EXPECT_THAT(enough.warnings,
              ::testing::Not(::testing::Contains(::testing::HasSubstr("patients for features"))));
}

TEST(KernelInterval, CoversTheTrueDiscrepancyOfGaussians) {
  // In one dimension k(x, y) = (xy + 1)³ = 1 + 3xy + 3x²y² + x³y³: the discrepancy is
  // 3·Δm₁² + 3·Δm₂² + Δm₃², with moments m of N(0, 1) and N(0.25, 0.25).
  const double m1 = 0.25, m2 = 0.25 + 0.0625, m3 = 0.25 * 0.25 * 0.25 + 3 * 0.25 * 0.25;
  const double truth = 3 * m1 * m1 + 3 * (m2 - 1) * (m2 - 1) + m3 * m3;
  const auto kernel = [](const FeatureTable& real, const FeatureTable& synthetic) {
    return kernel_metric(real, synthetic, {}, {});
  };
  const Coverage made = coverage_of(150, 100, 1, 1, truth, kernel);
  EXPECT_GE(made.share, 0.88);
  EXPECT_NEAR(made.mean_value, truth, 0.1 * truth);
}

TEST(KernelInterval, OfCorrelatedRowsHoldsZeroWhereTheFigureItselfIsTooLarge) {
  const auto kernel = [](const FeatureTable& real, const FeatureTable& synthetic) {
    return kernel_metric(real, synthetic, {}, {});
  };
  const Coverage made = coverage_of(40, 30, 8, 8, 0.0, kernel);
  EXPECT_GT(made.mean_value, 0.1);
  EXPECT_LT(std::abs(made.mean_corrected), 0.04);
  EXPECT_GE(made.share, 0.85);
}

/// Precision, recall, density and coverage over repetitions: how often the interval holds the mean
/// figure, and the mean variance that it is made of beside that over the repetitions.
void expect_manifold_intervals_hold(int repetitions, std::int64_t patients,
                                    std::int64_t per_patient) {
  constexpr std::int64_t kWidth = 8;
  const at::Tensor scale = at::linspace(0.5, 2.0, kWidth, at::kFloat);
  std::vector<std::vector<Estimate>> draws(4);
  std::vector<std::string> names;
  for (int r = 0; r < repetitions; ++r) {
    const auto seed = static_cast<std::uint32_t>(2 * r);
    const at::Tensor real = gaussians(patients, per_patient, kWidth, seed);
    const at::Tensor synthetic = gaussians(patients, per_patient, kWidth, seed + 1) * scale + 0.25;
    const auto made =
        manifold_metrics(table_of(real, per_patient), table_of(synthetic, per_patient), {}, {});
    names.clear();
    for (std::size_t i = 0; i < made.size(); ++i) {
      ASSERT_TRUE(made[i].estimate.has_interval) << made[i].metric;
      draws[i].push_back(made[i].estimate);
      names.push_back(made[i].metric);
    }
  }
  for (std::size_t i = 0; i < draws.size(); ++i) {
    std::vector<double> values;
    double mean_variance = 0.0;
    for (const Estimate& draw : draws[i]) {
      values.push_back(draw.value);
      mean_variance += draw.deviation * draw.deviation / repetitions;
    }
    const at::Tensor all = at::tensor(values, at::kDouble);
    const double truth = all.mean().item<double>();
    const auto held = std::count_if(draws[i].begin(), draws[i].end(), [&](const Estimate& draw) {
      return draw.low <= truth && truth <= draw.high;
    });
    EXPECT_GE(static_cast<double>(held), 0.85 * repetitions) << names[i];
    const double ratio = std::sqrt(mean_variance) / all.std().item<double>();
    EXPECT_GT(ratio, 0.65) << names[i];
    EXPECT_LT(ratio, 1.35) << names[i];
  }
}

TEST(ManifoldInterval, HoldsTheExpectedFigureAndIsNoWiderThanItVaries) {
  expect_manifold_intervals_hold(80, 80, 1);
}

TEST(ManifoldInterval, CountsPatientsAndNotTheirRows) {
  expect_manifold_intervals_hold(50, 24, 4);
}

TEST(ManifoldInterval, StaysWithinTheRangeOfItsFigure) {
  // Two sets of one distribution in a plane: the shares are near 1.
  const auto made = manifold_metrics(table_of(gaussians(16, 1, 2, 0), 1),
                                     table_of(gaussians(16, 1, 2, 1), 1), {}, {});
  for (const MetricValue& metric : made) {
    if (!metric.estimate.has_interval) continue;
    EXPECT_GE(metric.estimate.low, 0.0) << metric.metric;
    EXPECT_LE(metric.estimate.low, metric.estimate.value) << metric.metric;
    EXPECT_GE(metric.estimate.high, metric.estimate.value) << metric.metric;
    if (metric.metric != "density") {
      EXPECT_LE(metric.estimate.high, 1.0) << metric.metric;
    }
  }
}

TEST(ManifoldInterval, OfHalvesThatAllAgreeIsNone) {
  // Neither side is near the other: every half says 0, which is not known without an error.
  for (const MetricValue& metric :
       manifold_metrics(table_of(gaussians(16, 1, 2, 0), 1),
                        table_of(gaussians(16, 1, 2, 1) + 1000.0, 1), {}, {})) {
    EXPECT_EQ(metric.estimate.value, 0.0) << metric.metric;
    EXPECT_FALSE(metric.estimate.has_interval) << metric.metric;
    EXPECT_EQ(metric.no_interval, "all halves of the patients give the same figure");
  }
}

// Two patients of two rows: one has both classes, the other one alone. Without the first the score
// is 1, without the second 2.
TEST(InceptionInterval, IsNotBelowOne) {
  FeatureTable table = table_of(at::zeros({4, 1}), 2);
  table.log_probabilities =
      at::one_hot(at::tensor({0, 1, 0, 0}, at::kLong), 2).to(at::kFloat).log();
  MetricProtocol protocol;
  protocol.is_splits = 1;
  const Estimate made = inception_metric(table, protocol, {}).estimate;
  const double score = std::exp(-(0.75 * std::log(0.75) + 0.25 * std::log(0.25)));
  ASSERT_TRUE(made.has_interval);
  EXPECT_NEAR(made.value, score, 1e-6);
  EXPECT_NEAR(made.corrected, 2 * score - 1.5, 1e-6);
  EXPECT_NEAR(made.deviation, 0.5, 1e-6);
  EXPECT_EQ(made.low, 1.0);
  EXPECT_NEAR(made.high, 2 * score - 1.5 + 0.5 * student_quantile(0.975, 1), 1e-5);
}

TEST(InceptionInterval, CoversTheTrueScore) {
  // Rows certain of one of four classes, of probabilities 0.4, 0.3, 0.2 and 0.1: the score is the
  // exponential of their entropy.
  const at::Tensor p = at::tensor({0.4, 0.3, 0.2, 0.1}, at::kDouble);
  const double truth = std::exp(-(p * p.log()).sum().item<double>());
  const at::Tensor bounds = at::tensor({-0.25335, 0.52440, 1.28155}, at::kFloat);
  int covered = 0;
  double mean = 0.0, corrected = 0.0;
  for (std::uint32_t r = 0; r < 100; ++r) {
    FeatureTable table = table_of(at::zeros({100, 1}), 1);
    const at::Tensor label =
        at::bucketize(normal_tensor({100}, {r, Stream::kDataset, 3, 0}), bounds);
    table.log_probabilities = at::one_hot(label, 4).to(at::kFloat).log();
    const Estimate made = inception_metric(table, {}, {}).estimate;
    covered += made.low <= truth && truth <= made.high ? 1 : 0;
    mean += made.value / 100;
    corrected += made.corrected / 100;
  }
  EXPECT_GE(covered, 88);
  EXPECT_LT(mean, truth);  // few rows show too few classes
  EXPECT_LT(std::abs(corrected - truth), std::abs(mean - truth));
}

}  // namespace
}  // namespace echopath::evaluation
