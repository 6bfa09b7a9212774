#include "echopath/data/clips.hpp"

#include <gtest/gtest.h>

#include <set>

namespace echopath::data {
namespace {

using Indices = std::vector<std::int64_t>;

TEST(ResampleIndices, EqualRatesKeepEveryFrame) {
  const Indices indices = resample_indices(64, 32.0, 32.0);
  ASSERT_EQ(indices.size(), 64U);
  for (std::int64_t i = 0; i < 64; ++i) EXPECT_EQ(indices[static_cast<std::size_t>(i)], i);
}

TEST(ResampleIndices, KeepTrueTime) {
  // 50 → 32 fps: frame k shows the time k/32 s, source position 1.5625 k.
  EXPECT_EQ(resample_indices(10, 50.0, 32.0), (Indices{0, 2, 3, 5, 6, 8}));
  // Twice the rate: every frame twice, halves to the even frame.
  EXPECT_EQ(resample_indices(4, 16.0, 32.0), (Indices{0, 0, 1, 2, 2, 2, 3, 3}));
  EXPECT_EQ(resample_indices(1, 30.0, 32.0), (Indices{0}));
}

TEST(ChooseClip, EveryValidStartIsReachedEquallyOften) {
  std::vector<int> times(5, 0);
  for (int i = 0; i < 1000; ++i) {
    const Clip clip = choose_clip(20, 16, i / 1000.0);
    EXPECT_EQ(clip.valid, 16);
    ++times.at(static_cast<std::size_t>(clip.start));
  }
  EXPECT_EQ(times, (std::vector<int>(5, 200)));
}

TEST(ChooseClip, ThePublishedChoiceLeavesOutTheLastStart) {
  std::set<std::int64_t> starts;
  for (int i = 0; i < 1000; ++i) starts.insert(choose_clip(20, 16, i / 1000.0, false).start);
  EXPECT_EQ(starts, (std::set<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(choose_clip(17, 16, 0.999, false).start, 0);
}

TEST(ChooseClip, ShortVideosAreValidForTheirLength) {
  for (const bool last : {true, false}) {
    EXPECT_EQ(choose_clip(10, 16, 0.9, last).start, 0);
    EXPECT_EQ(choose_clip(10, 16, 0.9, last).valid, 10);
    EXPECT_EQ(choose_clip(16, 16, 0.9, last).start, 0);
    EXPECT_EQ(choose_clip(16, 16, 0.9, last).valid, 16);
  }
}

}  // namespace
}  // namespace echopath::data
