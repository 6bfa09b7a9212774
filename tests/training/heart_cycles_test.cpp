#include "training/heart_cycles.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <utility>

#include "echopath/core/errors.hpp"
#include "training/made_latents.hpp"

namespace echopath::training {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kSide = 16;

class HeartCyclesTest : public MadeLatents {
 protected:
  LatentDataOptions options() const {
    return toy_options<LvdmOptions>("lvdm", {"data.latents=" + latents().string()}).data;
  }
  LatentSource source() const { return LatentSource(options(), {}); }
};

/// Parts of a cycle from a to b, −0.5 to 0.5.
double turns_between(double a, double b) {
  const double turns = b - a;
  return turns - std::round(turns);
}

const std::vector<std::pair<double, double>> kBeats = {{24.0, 0.0}, {31.0, 10.0}, {20.0, 17.0},
                                                       {27.5, 3.0}, {36.0, 30.0}, {22.0, 5.0}};

TEST_F(HeartCyclesTest, RateAndStillestMomentOfEachVideo) {
  std::vector<MadeVideo> videos;
  for (std::size_t i = 0; i < kBeats.size(); ++i) {
    videos.push_back(
        beating_video(static_cast<int>(i), "TRAIN", kBeats[i].first, kBeats[i].second, kSide));
  }
  write(videos);
  const LatentSource source = this->source();
  const HeartCycles cycles(source, options());
  for (std::size_t i = 0; i < kBeats.size(); ++i) {
    const auto& [period, still] = kBeats[i];
    const auto cycle = cycles.of(source.train()[i]);
    ASSERT_TRUE(cycle) << i;
    EXPECT_NEAR(cycle->beats_per_minute * period / (60.0 * 32.0), 1.0, 0.02) << i;
    // The moment is known to a 24th of a cycle.
    EXPECT_NEAR(turns_between(-still / period, cycle->start), 0.0, 0.06) << i;
  }
}

TEST_F(HeartCyclesTest, NoneForAVideoWithoutABeatOrWithAnotherMotion) {
  std::vector<MadeVideo> videos;
  for (int i = 0; i < 6; ++i) videos.push_back(beating_video(i, "TRAIN", 24.0 + i, i, kSide));
  videos.push_back(made_video(6, "TRAIN", 96, kSide));
  videos.push_back(beating_video(7, "TRAIN", 25.0, 0.0, kSide, /*motion=*/1));
  write(videos);
  const LatentSource source = this->source();
  const HeartCycles cycles(source, options());
  EXPECT_TRUE(cycles.of(source.train()[5]));
  EXPECT_FALSE(cycles.of(source.train()[6]));
  EXPECT_FALSE(cycles.of(source.train()[7]));
  const models::HeartRates rates = cycles.rates(source.train(), {"ASD", "Non-ASD"});
  EXPECT_NEAR(rates.at("ASD", 0.5).value(), 60.0 * 32.0 / 26.0, 1.0);      // videos 0, 2 and 4
  EXPECT_NEAR(rates.at("Non-ASD", 0.5).value(), 60.0 * 32.0 / 27.0, 1.0);  // videos 1, 3 and 5
}

TEST_F(HeartCyclesTest, StillFramesAreThoseNearTheMoment) {
  std::vector<MadeVideo> videos;
  for (int i = 0; i < 4; ++i) videos.push_back(beating_video(i, "TRAIN", 24.0, 6.0, kSide));
  write(videos);
  const LatentSource source = this->source();
  const HeartCycles cycles(source, options());
  const std::vector<std::int64_t> still = cycles.still_frames(source.train()[1], 0.1);
  // Four beats, five frames of 24 in a fifth of a cycle; the ends of the video cut some off.
  EXPECT_GE(still.size(), 18U);
  EXPECT_LE(still.size(), 22U);
  for (const std::int64_t t : still) {
    EXPECT_LE(std::abs(turns_between(6.0 / 24.0, static_cast<double>(t) / 24.0)), 0.16) << t;
  }
}

TEST_F(HeartCyclesTest, TheNearestFrameWhereTheWindowHoldsNone) {
  std::vector<MadeVideo> videos;
  for (int i = 0; i < 4; ++i) videos.push_back(beating_video(i, "TRAIN", 24.0, 6.0, kSide));
  write(videos);
  const LatentSource source = this->source();
  EXPECT_EQ(HeartCycles(source, options()).still_frames(source.train()[0], 1e-9).size(), 1U);
}

TEST_F(HeartCyclesTest, VideosThatMoveInWaysOfTheirOwnAreRefused) {
  std::vector<MadeVideo> videos;
  for (int i = 0; i < 12; ++i) {
    videos.push_back(beating_video(i, "TRAIN", 24.0, 0.0, kSide, static_cast<std::uint32_t>(i)));
  }
  write(videos);
  const LatentSource source = this->source();
  EXPECT_THROW(HeartCycles(source, options()), DataError);
}

TEST_F(HeartCyclesTest, VideosWithoutACommonBeatAreRefused) {
  write({made_video(0, "TRAIN", 96, kSide), made_video(1, "TRAIN", 96, kSide)});
  const LatentSource source = this->source();
  try {
    const HeartCycles cycles(source, options());
    FAIL() << "noise has no cycle";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("found in 0 of 2 training videos (0 have a clear beat)"));
  }
}

}  // namespace
}  // namespace echopath::training
