#include "echopath/data/heartbeat.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "echopath/core/random.hpp"
#include "echopath/evaluation/video_set.hpp"
#include "evaluation/phantom_video.hpp"

namespace echopath::evaluation {
namespace {

using data::CoarseVideo;
using data::FrameRange;
using data::Heartbeat;
using data::make_coarse;
using data::measure_heartbeat;
using testing::phantom_video;

const std::vector<FrameRange> kThirds = {{0, 32}, {32, 64}, {64, 96}};

io::Frames shuffled(const io::Frames& frames) {
  return select(frames, permutation({1, Stream::kShuffle}, frames.count));
}

TEST(Heartbeat, FindsTheSimulatorsHeartRate) {
  for (const std::string& name : phantom::class_names()) {
    const auto video = phantom_video(name, 80, 96);
    const Heartbeat beat = measure_heartbeat(make_coarse(video.frames), 32.0, kThirds);
    EXPECT_TRUE(beat.clear) << name;
    EXPECT_NEAR(beat.beats_per_minute / video.truth.heart_rate_bpm, 1.0, 0.02) << name;
    EXPECT_LT(beat.variation, 0.05) << name;
  }
}

TEST(Heartbeat, ScalesWithTheFrameRate) {
  const auto video = phantom_video("Non-ASD", 81, 96);
  const CoarseVideo coarse = make_coarse(video.frames);
  const double usual = measure_heartbeat(coarse, 32.0, {}).beats_per_minute;
  // The stretch whose mean is taken off lasts as long, and so has more frames.
  EXPECT_NEAR(measure_heartbeat(coarse, 40.0, {}).beats_per_minute, 1.25 * usual, 0.01 * usual);
}

TEST(Heartbeat, AStillOrShuffledVideoHasNone) {
  const auto video = phantom_video("ASD", 82, 96);
  const Heartbeat mixed = measure_heartbeat(make_coarse(shuffled(video.frames)), 32.0, kThirds);
  EXPECT_FALSE(mixed.clear);
  const std::vector<std::int64_t> first(96, 0);
  const Heartbeat still =
      measure_heartbeat(make_coarse(select(video.frames, first)), 32.0, kThirds);
  EXPECT_FALSE(still.clear);
  EXPECT_TRUE(std::isnan(still.beats_per_minute));
  EXPECT_TRUE(std::isnan(still.variation));
}

TEST(Heartbeat, ARateThatChangesFromBlockToBlockShows) {
  const auto video = phantom_video("Non-PAH", 83, 192);
  std::vector<std::int64_t> indices(96);
  std::iota(indices.begin(), indices.end(), 0);
  // From frame 96 on every third frame comes twice: a heart that is a quarter slower.
  for (std::int64_t t = 96; t < 168; ++t) {
    indices.push_back(t);
    if (t % 3 == 0) indices.push_back(t);
  }
  const std::vector<FrameRange> blocks = {{0, 48}, {48, 96}, {96, 144}, {144, 192}};
  const Heartbeat even = measure_heartbeat(make_coarse(video.frames), 32.0, blocks);
  const Heartbeat slowing =
      measure_heartbeat(make_coarse(select(video.frames, indices)), 32.0, blocks);
  EXPECT_LT(even.variation, 0.05);
  EXPECT_GT(slowing.variation, 0.15);
  EXPECT_LT(slowing.block_rates.back(), 0.9 * slowing.block_rates.front());
}

TEST(Heartbeat, CoarseFramesAreMeansOfCells) {
  io::Frames frames;
  frames.count = 1;
  frames.height = 30;
  frames.width = 28;
  frames.pixels.resize(28 * 30);
  for (std::size_t i = 0; i < frames.pixels.size(); ++i) {
    frames.pixels[i] = static_cast<std::uint8_t>(i % 28);  // the column
  }
  const CoarseVideo coarse = make_coarse(frames);
  ASSERT_EQ(coarse.width, 15 * 14);  // cells of 2×2
  EXPECT_EQ(coarse.frame(0)[0], 0.5);
  EXPECT_EQ(coarse.frame(0)[13], 26.5);
  EXPECT_EQ(coarse.frame(0)[14], 0.5);
}

}  // namespace
}  // namespace echopath::evaluation
