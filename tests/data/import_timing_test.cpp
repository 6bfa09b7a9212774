#include "data/import_timing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace echopath::data {
namespace {

using testing::ElementsAre;

std::vector<std::int64_t> nearest(const SourceTiming& timing, double target) {
  std::vector<std::int64_t> indices;
  for (const TimePoint& point : resample_in_time(timing, target, /*linear=*/false)) {
    EXPECT_EQ(point.before, point.after);
    indices.push_back(point.before);
  }
  return indices;
}

TEST(ImportTiming, FiftyToThirtyTwoTakesTheNearestFrames) {
  // k·50/32 = 0, 1.5625, 3.125, 4.6875, 6.25, 7.8125, 9.375, 10.9375, 12.5 (to even), 14.06…
  EXPECT_THAT(nearest({25, 50.0, {}}, 32.0),
              ElementsAre(0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 16, 17, 19, 20, 22, 23));
}

TEST(ImportTiming, SlowerSourcesRepeatFrames) {
  EXPECT_THAT(nearest({5, 16.0, {}}, 32.0), ElementsAre(0, 0, 1, 2, 2, 2, 3, 4, 4, 4));
}

TEST(ImportTiming, TheTargetRateIsLeftAlone) {
  const auto indices = nearest({64, 32.0, {}}, 32.0);
  ASSERT_EQ(indices.size(), 64u);
  for (std::size_t i = 0; i < indices.size(); ++i)
    EXPECT_EQ(indices[i], static_cast<std::int64_t>(i));
}

TEST(ImportTiming, DurationIsKept) {
  for (const double fps : {24.0, 29.97, 50.0, 61.3, 120.0}) {
    const auto count = static_cast<std::int64_t>(fps * 4);
    const auto frames = static_cast<double>(nearest({count, fps, {}}, 32.0).size());
    EXPECT_NEAR(frames / 32.0, static_cast<double>(count) / fps, 1.0 / 32.0) << fps;
  }
}

TEST(ImportTiming, UnevenTimesAreFollowed) {
  // Frames at 0, 10, 20 and 120 ms; the last lasts as long as the mean step (40 ms).
  const SourceTiming timing{4, 25.0, {0.0, 0.01, 0.02, 0.12}};
  // Out at 0, 20, 40… ms.
  EXPECT_THAT(nearest(timing, 50.0), ElementsAre(0, 2, 2, 2, 3, 3, 3, 3));
}

TEST(ImportTiming, LinearBlendsByDistance) {
  const auto points = resample_in_time({3, 24.0, {}}, 32.0, /*linear=*/true);
  ASSERT_EQ(points.size(), 4u);  // positions 0, 0.75, 1.5, 2.25
  EXPECT_EQ(points[1].before, 0);
  EXPECT_EQ(points[1].after, 1);
  EXPECT_DOUBLE_EQ(points[1].weight, 0.75);
  EXPECT_EQ(points[2].before, 1);
  EXPECT_DOUBLE_EQ(points[2].weight, 0.5);
  EXPECT_EQ(points[3].before, 2);  // past the last frame: the last frame
  EXPECT_EQ(points[3].after, 2);
}

TEST(ImportTiming, OneFrameStaysOne) {
  EXPECT_THAT(nearest({1, 0.0, {}}, 32.0), ElementsAre(0));
}

}  // namespace
}  // namespace echopath::data
