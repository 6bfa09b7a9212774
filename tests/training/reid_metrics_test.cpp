#include <gtest/gtest.h>

#include "training/reid_recipe.hpp"

namespace echopath::training {
namespace {

TEST(AreaUnderRoc, CountsTiesHalf) {
  // Pairs (positive, negative): 0.9>0.1, 0.9>0.5, 0.5>0.1, 0.5=0.5 -> 3.5 of 4.
  EXPECT_NEAR(area_under_roc({0.9, 0.5, 0.5, 0.1}, {true, true, false, false}), 3.5 / 4, 1e-12);
  EXPECT_EQ(area_under_roc({1, 2}, {false, true}), 1.0);
  EXPECT_TRUE(std::isnan(area_under_roc({1, 2}, {true, true})));
}

TEST(Percentile, InterpolatesLikeNumpy) {
  // numpy.percentile([4, 1, 3, 2], [0, 50, 95, 100]) = [1, 2.5, 3.85, 4]
  EXPECT_EQ(percentile({4, 1, 3, 2}, 0), 1.0);
  EXPECT_EQ(percentile({4, 1, 3, 2}, 50), 2.5);
  EXPECT_NEAR(percentile({4, 1, 3, 2}, 95), 3.85, 1e-12);
  EXPECT_EQ(percentile({4, 1, 3, 2}, 100), 4.0);
}

}  // namespace
}  // namespace echopath::training
