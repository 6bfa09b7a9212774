#include "io/video_times.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "echopath/io/video.hpp"

namespace echopath::io {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(VideoTimes, EvenFramesKeepTheStatedRate) {
  const FrameTimes times = settle_times({1.0, 1.04, 1.08, 1.12}, 0.001, 25.0);
  EXPECT_EQ(times.fps, 25.0);
  EXPECT_THAT(times.seconds, IsEmpty());
}

TEST(VideoTimes, RoundingToTicksIsNoUnevenness) {
  // 30 frames a second in GIF's hundredths.
  const FrameTimes times = settle_times({0.0, 0.03, 0.07, 0.10, 0.13, 0.17}, 0.01, 30.0);
  EXPECT_EQ(times.fps, 30.0);
  EXPECT_THAT(times.seconds, IsEmpty());
}

TEST(VideoTimes, AFrameLeftOutIsUnevenAlsoWhereATickIsAFrame) {
  const FrameTimes times = settle_times({0.0, 0.02, 0.06, 0.08}, 0.02, 50.0);
  EXPECT_DOUBLE_EQ(times.fps, 37.5);
  EXPECT_THAT(times.seconds, ElementsAre(0.0, 0.02, 0.06, 0.08));
}

TEST(VideoTimes, ARateThatTheTimesDoNotFitGivesWayToTheirs) {
  const FrameTimes times = settle_times({0.0, 0.04, 0.08, 0.12}, 0.02, 50.0);
  EXPECT_NEAR(times.fps, 25.0, 1e-9);
  EXPECT_THAT(times.seconds, IsEmpty());
  EXPECT_NEAR(settle_times({0.0, 0.04, 0.08}, 0.001, 0.0).fps, 25.0, 1e-9);
}

TEST(VideoTimes, TimesFromAnyStartCountFromZero) {
  EXPECT_THAT(settle_times({2.0, 2.25, 2.5, 3.5}, 0.001, 0.0).seconds,
              ElementsAre(0.0, 0.25, 0.5, 1.5));
}

TEST(VideoTimes, TimesThatLackOrGoBackwardsAreLeftAside) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  for (const std::vector<double>& seconds : {std::vector<double>{0.0, none, 0.3, 0.9},
                                             {0.0, 0.9, 0.3, 1.0},
                                             {0.5, 0.5, 0.5},
                                             {0.0},
                                             {}}) {
    const FrameTimes times = settle_times(seconds, 0.001, 12.0);
    EXPECT_EQ(times.fps, 12.0);
    EXPECT_THAT(times.seconds, IsEmpty());
  }
}

/// tests/fixtures/video/make.sh
TimedVideo fixture(const std::string& name) {
  return read_timed_video(std::string(ECHOPATH_SOURCE_DIR) + "/tests/fixtures/video/" + name);
}

TEST(VideoTimes, ContainersTimesAreRead) {
  for (const char* name : {"uneven.avi", "uneven.gif", "uneven.mp4"}) {
    const TimedVideo video = fixture(name);
    ASSERT_EQ(video.frames.count, 90) << name;
    ASSERT_EQ(video.frame_seconds.size(), 90U) << name;
    for (std::size_t i = 0; i < 90; ++i) {
      const double slot =
          i < 75 ? static_cast<double>(i) : 75.0 + 5.0 * static_cast<double>(i - 75);
      EXPECT_NEAR(video.frame_seconds[i], slot / 50.0, 1e-6) << name << ", frame " << i;
    }
    EXPECT_NEAR(video.frames.fps, 89.0 / 2.9, 1e-3) << name;
  }
}

TEST(VideoTimes, EverySecondSlotIsHalfTheRate) {
  const TimedVideo video = fixture("half.avi");
  EXPECT_EQ(video.frames.count, 75);
  EXPECT_NEAR(video.frames.fps, 25.0, 1e-9);
  EXPECT_THAT(video.frame_seconds, IsEmpty());
}

}  // namespace
}  // namespace echopath::io
