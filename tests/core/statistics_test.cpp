// Expected values: tests/fixtures/statistics/make.py, unless a comment says otherwise.
#include "echopath/core/statistics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "echopath/core/errors.hpp"

namespace echopath {
namespace {

const std::vector<double> kScores = {0.1, 0.8, 0.4, 0.4, 0.35, 0.9, 0.7, 0.2, 0.6, 0.4, 0.55, 0.3};
const std::vector<bool> kPositive = {false, true,  false, true, false, true,
                                     false, false, true,  true, true,  false};
const std::vector<std::string> kGroups = {"c", "a", "a", "b", "d", "b",
                                          "e", "f", "d", "e", "g", "g"};
const std::vector<std::vector<double>> kProbabilities = {
    {0.5, 0.3, 0.2}, {0.2, 0.5, 0.3},   {0.4, 0.35, 0.25}, {0.1, 0.2, 0.7},
    {0.3, 0.4, 0.3}, {0.25, 0.3, 0.45}, {0.45, 0.1, 0.45}, {0.2, 0.6, 0.2}};
const std::vector<std::size_t> kLabels = {0, 1, 1, 2, 0, 2, 0, 2};

TEST(AreaUnderRoc, CountsTiesHalf) {
  // Pairs (positive, negative): 0.9>0.1, 0.9>0.5, 0.5>0.1, 0.5=0.5 -> 3.5 of 4.
  EXPECT_NEAR(area_under_roc({0.9, 0.5, 0.5, 0.1}, {true, true, false, false}), 3.5 / 4, 1e-12);
  EXPECT_EQ(area_under_roc({1, 2}, {false, true}), 1.0);
  EXPECT_NEAR(area_under_roc(kScores, kPositive), 0.8611111111111112, 1e-12);
}

TEST(AreaUnderRoc, IsNoNumberWithOneKindOnly) {
  EXPECT_TRUE(std::isnan(area_under_roc({1, 2}, {true, true})));
  EXPECT_TRUE(std::isnan(area_under_roc({1, 2}, {false, false})));
  EXPECT_TRUE(std::isnan(area_under_roc(std::vector<double>{}, {})));
}

TEST(AreaUnderRoc, OfSeveralClassesIsTheMeanOfEachAgainstTheRest) {
  EXPECT_NEAR(area_under_roc(kProbabilities, kLabels), 0.7833333333333333, 1e-12);
  // Without rows of class 1, the mean is that of classes 0 and 2, which the same rows decide.
  const std::vector<std::vector<double>> rows = {{0.6, 0.3, 0.1}, {0.1, 0.3, 0.6}, {0.5, 0.2, 0.3}};
  EXPECT_EQ(area_under_roc(rows, {0, 2, 0}), 1.0);
  EXPECT_TRUE(std::isnan(area_under_roc(rows, {0, 0, 0})));
}

// EchoPath's published AUCs are taken from predicted labels: for two classes that is the balanced
// accuracy, whatever the scores say about the order of the rows.
TEST(AucFrom, LabelsOfTwoClassesGiveTheBalancedAccuracy) {
  const std::vector<std::vector<double>> rows = {{0.4, 0.6},   {0.3, 0.7}, {0.55, 0.45},
                                                 {0.48, 0.52}, {0.9, 0.1}, {0.8, 0.2}};
  const std::vector<std::size_t> labels = {1, 1, 1, 0, 0, 0};
  // Pairs of scores: 0.6 and 0.7 beat all three negatives, 0.45 beats two: 8 of 9.
  EXPECT_NEAR(area_under_roc(rows, labels, AucFrom::kScores), 8.0 / 9.0, 1e-12);
  // Two of three found in either class.
  EXPECT_NEAR(area_under_roc(rows, labels, AucFrom::kLabels), 2.0 / 3.0, 1e-12);
}

TEST(AucFrom, LabelsOfThreeClassesTakeTheFirstOfEqualProbabilities) {
  EXPECT_NEAR(area_under_roc(kProbabilities, kLabels, AucFrom::kLabels), 0.7166666666666667, 1e-12);
}

TEST(AucFrom, IsParsedByName) {
  EXPECT_EQ(parse_auc_from("scores"), AucFrom::kScores);
  EXPECT_EQ(parse_auc_from("labels"), AucFrom::kLabels);
  EXPECT_THROW(parse_auc_from("argmax"), UsageError);
}

TEST(AveragePrecision, IsTheSumOverThresholds) {
  EXPECT_NEAR(average_precision(kScores, kPositive), 0.8416666666666666, 1e-12);
  EXPECT_EQ(average_precision({0.9, 0.1}, {true, false}), 1.0);
  EXPECT_EQ(average_precision({0.5, 0.5}, {true, false}), 0.5);
  EXPECT_TRUE(std::isnan(average_precision({1, 2}, {false, false})));
}

TEST(Percentile, InterpolatesLikeNumpy) {
  // numpy.percentile([4, 1, 3, 2], [0, 50, 95, 100]) = [1, 2.5, 3.85, 4]
  EXPECT_EQ(percentile({4, 1, 3, 2}, 0), 1.0);
  EXPECT_EQ(percentile({4, 1, 3, 2}, 50), 2.5);
  EXPECT_NEAR(percentile({4, 1, 3, 2}, 95), 3.85, 1e-12);
  EXPECT_EQ(percentile({4, 1, 3, 2}, 100), 4.0);
}

TEST(GroupedBootstrap, OfTheAucEqualsTheReference) {
  const Interval interval = area_under_roc_interval(kScores, kPositive, kGroups, {400, 0.9, 5});
  EXPECT_NEAR(interval.estimate, 0.8611111111111112, 1e-12);
  EXPECT_NEAR(interval.low, 0.6109126984126985, 1e-12);
  EXPECT_NEAR(interval.high, 1.0, 1e-12);
  const Interval other = area_under_roc_interval(kScores, kPositive, kGroups, {400, 0.9, 6});
  EXPECT_NE(interval.low, other.low);
}

TEST(GroupedBootstrap, DrawsWholeGroups) {
  const std::vector<std::string> groups = {"p", "q", "p", "r", "p", "q"};
  bool whole = true;
  const auto count = [&](const std::vector<std::size_t>& rows) {
    const auto times = [&](std::size_t row) { return std::count(rows.begin(), rows.end(), row); };
    whole = whole && times(0) == times(2) && times(0) == times(4) && times(1) == times(5) &&
            times(0) + times(1) + times(3) == 3;
    return static_cast<double>(rows.size());
  };
  const Interval interval = grouped_bootstrap(groups, count, {200, 1.0, 1});
  EXPECT_TRUE(whole);
  EXPECT_EQ(interval.estimate, 6.0);
  EXPECT_EQ(interval.low, 3.0);   // r three times
  EXPECT_EQ(interval.high, 9.0);  // p three times
}

// The mean of ten times repeated values is as uncertain as that of the values; taking the copies
// for rows of their own would make the interval about a third as wide.
TEST(GroupedBootstrap, IsAsWideForCopiesAsForTheOriginals) {
  std::vector<double> values;
  std::vector<std::string> groups;
  for (int i = 0; i < 400; ++i) {
    values.push_back(std::sin(1.7 * (i / 10)));
    groups.push_back(std::to_string(i / 10));
  }
  const auto mean = [&](const std::vector<std::size_t>& rows) {
    double sum = 0.0;
    for (const std::size_t row : rows) sum += values[row];
    return sum / static_cast<double>(rows.size());
  };
  const Interval interval = grouped_bootstrap(groups, mean);
  const double width = interval.high - interval.low;
  // 2·1.96 standard errors of the mean of 40 values with standard deviation near 1/sqrt(2).
  EXPECT_NEAR(width, 2 * 1.96 * std::sqrt(0.5 / 40), 0.06);
}

TEST(GroupedBootstrap, HasNoBoundsWhereMostResamplesGiveNoNumber) {
  // A third of the resamples, (6/7)^7, lack the one positive row and are left out.
  const std::vector<std::string> seven = {"a", "b", "c", "d", "e", "f", "g"};
  const std::vector<bool> one = {true, false, false, false, false, false, false};
  const Interval found = area_under_roc_interval({7, 6, 5, 4, 3, 2, 1}, one, seven);
  // One positive group decides: of two-sided 95 %, Clopper and Pearson's bound of 1 of 1 is 0.025.
  EXPECT_NEAR(found.low, 0.025, 1e-12);
  EXPECT_EQ(found.high, 1.0);
  const Interval none = area_under_roc_interval({0.9, 0.1}, {true, true}, {"a", "b"});
  EXPECT_TRUE(std::isnan(none.estimate));
  EXPECT_TRUE(std::isnan(none.low));
  EXPECT_TRUE(std::isnan(none.high));
}

double mean_of_ones(const std::vector<std::size_t>&) {
  return 1.0;
}

// Clopper and Pearson's bounds of 0 of n and n of n: scipy.stats.binomtest(0, 8).proportion_ci() is
// (0, 0.36942).
TEST(BoundedBootstrap, IsClopperAndPearsonsWhereEveryResampleAgrees) {
  const std::vector<std::string> groups = {"a", "b", "c", "d", "e", "f", "g", "h"};
  const auto none = [](const std::vector<std::size_t>&) { return 0.0; };
  const Interval low = bounded_bootstrap(groups, none);
  EXPECT_EQ(low.low, 0.0);
  EXPECT_NEAR(low.high, 0.36942, 1e-5);
  const Interval high = bounded_bootstrap(groups, mean_of_ones);
  EXPECT_NEAR(high.low, 1 - 0.36942, 1e-5);
  EXPECT_EQ(high.high, 1.0);
  // binomtest(0, 1): (0, 0.975).
  EXPECT_NEAR(bounded_bootstrap({"a"}, none).high, 0.975, 1e-12);
}

TEST(BoundedBootstrap, CountsGroupsAndNotRowsUnlessToldTheUnits) {
  const std::vector<std::string> groups = {"a", "a", "a", "a", "b", "b", "b", "b"};
  EXPECT_NEAR(bounded_bootstrap(groups, mean_of_ones).low, std::sqrt(0.025), 1e-12);
  EXPECT_NEAR(bounded_bootstrap(groups, mean_of_ones, {}, {.units = 1}).low, 0.025, 1e-12);
}

TEST(BoundedBootstrap, OfADifferenceReachesAsFarOnBothSides) {
  const std::vector<std::string> groups = {"a", "b", "c", "d", "e", "f", "g", "h"};
  const auto none = [](const std::vector<std::size_t>&) { return 0.0; };
  const Interval made = bounded_bootstrap(groups, none, {}, {.lowest = -1.0, .highest = 1.0});
  EXPECT_NEAR(made.high, 0.36942, 1e-5);
  EXPECT_EQ(made.low, -made.high);
}

TEST(BoundedBootstrap, IsTheBootstrapWhereResamplesDiffer) {
  const std::vector<std::string> groups = {"a", "b", "c", "d", "e", "f", "g", "h"};
  const auto share = [](const std::vector<std::size_t>& rows) {
    double sum = 0.0;
    for (const std::size_t row : rows) sum += row < 4 ? 1.0 : 0.0;
    return sum / static_cast<double>(rows.size());
  };
  const Interval plain = grouped_bootstrap(groups, share), made = bounded_bootstrap(groups, share);
  EXPECT_LT(plain.low, plain.high);
  EXPECT_EQ(made.low, plain.low);
  EXPECT_EQ(made.high, plain.high);
}

}  // namespace
}  // namespace echopath
