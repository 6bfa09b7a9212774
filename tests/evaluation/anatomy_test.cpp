#include "echopath/evaluation/anatomy.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "evaluation/phantom_video.hpp"

namespace echopath::evaluation {
namespace {

using testing::phantom_video;
using testing::PhantomVideo;

constexpr std::int64_t kSize = 112;

/// One map whose pixels are told by a function of x and y.
template <class Function>
io::Frames draw(const Function& label) {
  io::Frames maps;
  maps.count = 1;
  maps.height = maps.width = kSize;
  maps.pixels.resize(kSize * kSize);
  for (std::int64_t y = 0; y < kSize; ++y) {
    for (std::int64_t x = 0; x < kSize; ++x) {
      maps.pixels[static_cast<std::size_t>(y * kSize + x)] =
          label(static_cast<double>(x), static_cast<double>(y));
    }
  }
  return maps;
}

/// A heart of ellipses: LV above LA, RV and RA to the left. Between 30 and 80 % of the way from
/// apex to base, the share `flat` of the LV's left half is septum.
io::Frames draw_heart(double flat) {
  return draw([flat](double x, double y) -> std::uint8_t {
    const double down = (y - 40.0) / 30.0;
    const bool middle = y > 10.0 + 0.3 * 56.0 && y < 10.0 + 0.8 * 56.0;
    const double pushed = middle ? 1.0 - flat : 1.0;
    const double across = (x - 70.0) / (x < 70.0 ? 16.0 * pushed : 16.0);
    if (y < 66.0 && down * down + across * across < 1.0) return 1;
    if (y < 66.0 && std::hypot((x - 34.0) / 14.0, down) < 1.0) return 2;
    if (std::hypot((x - 70.0) / 15.0, (y - 85.0) / 15.0) < 1.0) return 3;
    if (std::hypot((x - 34.0) / 15.0, (y - 85.0) / 15.0) < 1.0) return 4;
    return 0;
  });
}

TEST(Anatomy, GapIsTheLengthOfTheLineWhereTheAtriaTouch) {
  for (const double degrees : {0.0, 10.0, 30.0, 45.0, 80.0}) {
    const double c = std::cos(degrees * M_PI / 180.0), s = std::sin(degrees * M_PI / 180.0);
    const io::Frames maps = draw([&](double x, double y) -> std::uint8_t {
      const double along = (y - 56.0) * c - (x - 56.0) * s;
      const double across = (x - 56.0) * c + (y - 56.0) * s;
      if (std::abs(along) > 30.0 || std::abs(across) > 20.0) return 0;
      // A wall of two pixels but for the middle 24.
      if (std::abs(along) > 12.0 && std::abs(across) < 1.5) return 0;
      return across < 0.0 ? 4 : 3;
    });
    EXPECT_NEAR(measure_frame(maps, 0, {}).septal_gap, 24.0, 1.5) << degrees;
  }
}

TEST(Anatomy, RoundVentricleHasEccentricityOneAndAPushedSeptumMore) {
  EXPECT_NEAR(measure_frame(draw_heart(0.0), 0, {}).eccentricity, 1.0, 0.05);
  EXPECT_NEAR(measure_frame(draw_heart(0.4), 0, {}).eccentricity, 2.0 / 1.6, 0.05);
}

TEST(Anatomy, OnlyTheLargestPieceOfAChamberCounts) {
  io::Frames maps = draw_heart(0.0);
  const FrameAnatomy whole = measure_frame(maps, 0, {});
  maps.pixels[5 * kSize + 5] = maps.pixels[5 * kSize + 6] = 1;
  maps.pixels[8 * kSize + 5] = 3;  // an island of each atrium, side by side
  maps.pixels[8 * kSize + 6] = 4;
  const FrameAnatomy speckled = measure_frame(maps, 0, {});
  EXPECT_EQ(speckled.lv_area, whole.lv_area);
  EXPECT_EQ(speckled.septal_gap, 0.0);
  EXPECT_EQ(speckled.eccentricity, whole.eccentricity);
}

TEST(Anatomy, FramesWithoutAChamberAreCountedAndLeftOut) {
  io::Frames maps = draw_heart(0.0);
  const io::Frames empty = draw([](double, double) -> std::uint8_t { return 0; });
  maps.pixels.insert(maps.pixels.end(), empty.pixels.begin(), empty.pixels.end());
  maps.count = 2;
  const VideoAnatomy video = measure_anatomy(maps);
  const FrameAnatomy frame = measure_frame(maps, 0, {});
  EXPECT_EQ(video.missing, 0.5);
  EXPECT_EQ(video.rv_lv_ratio_mean, frame.rv_area / frame.lv_area);
  EXPECT_EQ(video.septal_gap_mean, 0.0);
  io::Frames none = empty;
  EXPECT_TRUE(std::isnan(measure_anatomy(none).rv_lv_ratio_ed));
  EXPECT_TRUE(std::isnan(measure_anatomy(none).septal_gap));
}

TEST(Anatomy, LabelsMayHaveOtherNumbers) {
  io::Frames maps = draw_heart(0.4);
  const FrameAnatomy usual = measure_frame(maps, 0, {});
  for (std::uint8_t& label : maps.pixels) label = static_cast<std::uint8_t>((label + 3) % 5);
  ChamberLabels labels;
  labels.lv = 4;
  labels.rv = 0;
  labels.la = 1;
  labels.ra = 2;
  // The background is 3 now; the RV's largest piece is what it was.
  EXPECT_EQ(measure_frame(maps, 0, labels).eccentricity, usual.eccentricity);
  EXPECT_EQ(measure_frame(maps, 0, labels).rv_area, usual.rv_area);
}

/// The read-out on exact label maps against the simulator's own figures.
TEST(Anatomy, AgreesWithTheSimulatorOnItsLabelMaps) {
  for (std::uint64_t seed = 60; seed < 63; ++seed) {
    for (const std::string& name : phantom::class_names()) {
      const PhantomVideo video = phantom_video(name, seed, 40);
      const VideoAnatomy anatomy = measure_anatomy(video.maps);
      const auto& truth = video.truth;
      EXPECT_NEAR(anatomy.septal_gap, truth.septal_gap_px, 1.5) << name << " " << seed;
      // The sector cuts part of some right ventricles.
      EXPECT_NEAR(anatomy.rv_lv_ratio_ed / (truth.rv_area_ed / truth.lv_area_ed), 1.0, 0.12)
          << name << " " << seed;
      EXPECT_EQ(anatomy.missing, 0.0);
    }
  }
}

TEST(Anatomy, EccentricityTellsAPressureLoadedHeartFromOthers) {
  for (std::uint64_t seed = 70; seed < 73; ++seed) {
    const VideoAnatomy loaded = measure_anatomy(phantom_video("PAH", seed, 40).maps);
    const VideoAnatomy control = measure_anatomy(phantom_video("Non-PAH", seed, 40).maps);
    EXPECT_GT(loaded.eccentricity_es, control.eccentricity_es + 0.1) << seed;
  }
}

TEST(Anatomy, DiceIsTwiceTheOverlapOverTheSum) {
  const io::Frames a = draw([](double x, double y) -> std::uint8_t { return x < 10 && y < 10; });
  const io::Frames b = draw([](double x, double y) -> std::uint8_t { return x < 10 && y < 20; });
  EXPECT_DOUBLE_EQ(dice_of(a, b, 1), 2.0 * 100 / 300);
  EXPECT_TRUE(std::isnan(dice_of(a, b, 7)));
}

}  // namespace
}  // namespace echopath::evaluation
