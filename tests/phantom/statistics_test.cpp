#include "echopath/phantom/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/phantom/phantom.hpp"
#include "phantom/rng.hpp"

namespace echopath::phantom {
namespace {

io::Frames blank(std::int64_t count, std::uint8_t grey) {
  io::Frames clip;
  clip.count = count;
  clip.height = clip.width = kImageSize;
  clip.fps = 1.0 / 0.120;
  clip.pixels.assign(static_cast<std::size_t>(count * kImageSize * kImageSize), grey);
  return clip;
}

TEST(PhantomStatistics, MeasuresFlatClips) {
  const Statistics s = measure_statistics({blank(3, 40), blank(3, 60)});
  EXPECT_NEAR(s.mean, 50.0, 1e-9);
  EXPECT_NEAR(s.spread_between_clips, 10.0, 1e-9);
  EXPECT_EQ(s.frame_change, 0.0);
  EXPECT_EQ(s.texture_deviation, 0.0);
  EXPECT_EQ(s.dark_share, 0.0);
  EXPECT_EQ(s.percentiles[1], 40.0);
  EXPECT_EQ(s.percentiles[3], 60.0);
  EXPECT_NEAR(s.depth[4], 50.0, 1e-9);
}

TEST(PhantomStatistics, MeasuresFrameChangeAndDarkShare) {
  io::Frames clip = blank(2, 5);
  std::fill(clip.pixels.begin() + kImageSize * kImageSize, clip.pixels.end(), std::uint8_t{25});
  const Statistics s = measure_statistics({clip});
  EXPECT_NEAR(s.frame_change, 20.0, 1e-9);
  EXPECT_NEAR(s.dark_share, 50.0, 1e-9);
}

TEST(PhantomStatistics, WhiteNoiseHasTheBoxFiltersOwnCorrelation) {
  io::Frames clip = blank(8, 0);
  Rng rng(1);
  for (auto& pixel : clip.pixels) pixel = static_cast<std::uint8_t>(rng.uniform() * 200.0);
  const Statistics s = measure_statistics({clip});
  // Removing a 4×4 box average from white noise of variance v leaves v (1 − 1/16), and at lag 1
  // −2/16 + 12/256 of v.
  const double v = 200.0 * 200.0 / 12.0;
  EXPECT_NEAR(s.texture_deviation, std::sqrt(v * 15.0 / 16.0), 0.4);
  EXPECT_NEAR(s.axial[0], (-2.0 / 16.0 + 12.0 / 256.0) / (15.0 / 16.0), 0.01);
  EXPECT_NEAR(s.lateral[0], s.axial[0], 0.01);
}

TEST(PhantomStatistics, RefusesOtherSizesAndAnEmptySet) {
  EXPECT_THROW(measure_statistics({}), DataError);
  io::Frames clip;
  clip.count = 1;
  clip.height = clip.width = 16;
  clip.pixels.resize(256);
  EXPECT_THROW(measure_statistics({clip}), DataError);
}

TEST(PhantomStatistics, PhantomIsNearTheRealClips) {
  std::vector<io::Frames> clips;
  for (int p = 0; p < 32; ++p) {
    Simulator simulator(sample_patient(class_names()[static_cast<std::size_t>(p) % 4],
                                       static_cast<std::uint64_t>(1000 + p)));
    io::Frames clip = blank(6, 0);
    for (int t = 0; t < 6; ++t) simulator.render(0.12 * t, clip.frame(t));
    clips.push_back(std::move(clip));
  }
  const Statistics phantom = measure_statistics(clips), &real = real_statistics();
  auto near = [](double value, double target, double share) {
    return std::abs(value - target) <= share * std::abs(target);
  };
  EXPECT_TRUE(near(phantom.mean, real.mean, 0.15)) << phantom.mean;
  EXPECT_TRUE(near(phantom.dark_share, real.dark_share, 0.20)) << phantom.dark_share;
  EXPECT_TRUE(near(phantom.spread_between_clips, real.spread_between_clips, 0.35))
      << phantom.spread_between_clips;
  EXPECT_TRUE(near(phantom.frame_change, real.frame_change, 0.15)) << phantom.frame_change;
  EXPECT_TRUE(near(phantom.texture_deviation, real.texture_deviation, 0.15))
      << phantom.texture_deviation;
  EXPECT_TRUE(near(phantom.axial[0], real.axial[0], 0.25)) << phantom.axial[0];
  EXPECT_TRUE(near(phantom.lateral[0], real.lateral[0], 0.25)) << phantom.lateral[0];
  for (std::size_t p = 2; p < 6; ++p) {
    EXPECT_TRUE(near(phantom.percentiles[p], real.percentiles[p], 0.25)) << p;
  }
  EXPECT_NEAR(phantom.percentiles[0], 0.0, 1.0);
  EXPECT_NEAR(phantom.percentiles[1], 3.0, 3.0);
  for (std::size_t b = 0; b < 10; ++b) {
    EXPECT_TRUE(near(phantom.depth[b], real.depth[b], 0.45)) << b << ' ' << phantom.depth[b];
  }
}

}  // namespace
}  // namespace echopath::phantom
