#include "echopath/evaluation/class_figures.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace echopath::evaluation {
namespace {

VideoFigures figures(const std::vector<std::pair<double, std::string>>& rows) {
  VideoFigures result;
  int i = 0;
  for (const auto& [value, name] : rows) result.add(value, name, "P" + std::to_string(i++));
  return result;
}

TEST(ClassFigures, MeansRatiosAndCountsAreByClass) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const VideoFigures real = figures({{1, "A"}, {3, "A"}, {none, "A"}, {10, "B"}, {12, "B"}});
  const VideoFigures synthetic = figures({{3, "A"}, {3, "A"}, {11, "B"}, {99, "other"}});
  const FigureComparison result = compare_by_class({"size", "px"}, real, synthetic, {"A", "B"});
  ASSERT_EQ(result.rows.size(), 2U);
  EXPECT_EQ(result.rows[0].real_count, 2);
  EXPECT_EQ(result.rows[0].synthetic_count, 2);
  EXPECT_DOUBLE_EQ(result.rows[0].real.estimate, 2.0);
  EXPECT_DOUBLE_EQ(result.rows[0].ratio.estimate, 1.5);
  EXPECT_DOUBLE_EQ(result.rows[0].real.low, 1.0);
  EXPECT_DOUBLE_EQ(result.rows[0].real.high, 3.0);
  EXPECT_EQ(result.rows[1].synthetic_count, 1);
  EXPECT_DOUBLE_EQ(result.rows[1].ratio.estimate, 1.0);
  EXPECT_EQ(result.to_json()["classes"][0]["ratio"]["estimate"], 1.5);
}

TEST(ClassFigures, OrderIsAskedForWhereRealClassesDiffer) {
  const VideoFigures real = figures({{1, "A"},
                                     {1.1, "A"},
                                     {1.2, "A"},
                                     {5, "B"},
                                     {5.1, "B"},
                                     {5.2, "B"},
                                     {1.05, "C"},
                                     {1.1, "C"},
                                     {1.15, "C"},
                                     {9, "few"},
                                     {9.1, "few"}});
  const VideoFigures kept = figures({{2, "A"}, {3, "B"}, {2, "C"}, {1, "few"}});
  const VideoFigures turned = figures({{3, "A"}, {2, "B"}, {1, "C"}});
  const auto right = compare_by_class({"x", ""}, real, kept, {"A", "B", "C", "few"}).order;
  ASSERT_EQ(right.size(), 2U);  // A < B and C < B; A and C lie together
  EXPECT_EQ(right[0].lower, "A");
  EXPECT_EQ(right[0].higher, "B");
  EXPECT_TRUE(right[0].kept);
  const auto wrong = compare_by_class({"x", ""}, real, turned, {"A", "B", "C"}).order;
  EXPECT_FALSE(wrong[0].kept);
  EXPECT_TRUE(wrong[1].kept);
}

TEST(ClassFigures, AMissingSideIsNullInJson) {
  const FigureComparison result =
      compare_by_class({"x", ""}, figures({{1, "A"}, {2, "A"}}), {}, {"A"});
  EXPECT_TRUE(result.order.empty());
  EXPECT_EQ(result.rows[0].synthetic_count, 0);
  EXPECT_TRUE(result.to_json()["classes"][0]["synthetic"]["estimate"].is_null());
  EXPECT_TRUE(result.to_json()["classes"][0]["ratio"]["estimate"].is_null());
  EXPECT_NE(table_of({result}).find("1.500 ["), std::string::npos);
}

TEST(ClassFigures, AShareOfAllIsNotCertain) {
  const Interval share = share_interval(figures({{1, "A"}, {1, "A"}, {1, "A"}, {1, "A"}}));
  EXPECT_EQ(share.estimate, 1.0);
  EXPECT_NEAR(share.low, std::pow(0.025, 1.0 / 4), 1e-9);
  EXPECT_TRUE(std::isnan(share_interval({}).low));
}

/// A ratio of two independent means: its interval holds the truth about as often as it says.
TEST(ClassFigures, RatioOfMeansHasAnHonestInterval) {
  const VideoFigures above = figures({{2, "A"}, {4, "A"}, {3, "A"}, {5, "A"}, {1, "A"}});
  const VideoFigures below = figures({{1, "A"}, {2, "A"}, {1.5, "A"}, {2.5, "A"}, {0.5, "A"}});
  const Interval ratio = ratio_of_means(above, below);
  EXPECT_DOUBLE_EQ(ratio.estimate, 2.0);
  EXPECT_LT(ratio.low, 1.4);
  EXPECT_GT(ratio.high, 2.6);
}

}  // namespace
}  // namespace echopath::evaluation
