#include "echopath/training/augmentation.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace echopath::training {
namespace {

/// One frame of 3 × 3.
at::Tensor nine() {
  return at::arange(1, 10, at::kFloat).view({1, 3, 3}) * 10.0;
}

at::Tensor frame(const std::vector<float>& values) {
  return at::tensor(values).view({1, 3, 3});
}

NoiseKey key(std::uint32_t step, std::uint32_t position) {
  return {42, Stream::kAugmentation, step, position};
}

AugmentationOptions all() {
  AugmentationOptions options;
  options.shift = 5;
  options.rotation = 10.0;
  options.brightness = 0.2;
  options.contrast = 0.3;
  options.horizontal_flip = 0.5;
  return options;
}

TEST(Augment, LeavesTheClipAloneWhereNothingIsDrawn) {
  EXPECT_TRUE(at::equal(augment(nine(), {}), nine()));
  EXPECT_TRUE(at::equal(augment_maps(nine(), {}), nine()));
}

TEST(Augment, ShiftsByWholePixelsWithBlackComingIn) {
  Augmentation drawn;
  drawn.down = 1;
  drawn.right = -1;
  EXPECT_TRUE(at::equal(augment(nine(), drawn), frame({0, 0, 0, 20, 30, 0, 50, 60, 0})));
  EXPECT_TRUE(at::equal(augment_maps(nine(), drawn), frame({0, 0, 0, 20, 30, 0, 50, 60, 0})));
  drawn.down = -4;
  EXPECT_TRUE(at::equal(augment(nine(), drawn), at::zeros({1, 3, 3})));
}

TEST(Augment, TurnsAnticlockwise) {
  Augmentation drawn;
  drawn.degrees = 90.0;
  const at::Tensor expected = frame({30, 60, 90, 20, 50, 80, 10, 40, 70});
  EXPECT_TRUE(at::allclose(augment(nine(), drawn), expected, 0, 1e-3));
  EXPECT_TRUE(at::equal(augment_maps(nine(), drawn), expected)) << "labels stay whole";
}

TEST(Augment, TurningKeepsLabelsWhole) {
  Augmentation drawn;
  drawn.degrees = 25.0;
  const at::Tensor maps = at::arange(36, at::kFloat).view({1, 6, 6}).remainder(5);
  const at::Tensor turned = augment_maps(maps, drawn);
  EXPECT_TRUE(at::equal(turned, turned.round()));
  EXPECT_FALSE(at::equal(turned, maps));
}

TEST(Augment, MirrorsLeftAndRight) {
  Augmentation drawn;
  drawn.flip = true;
  EXPECT_TRUE(at::equal(augment(nine(), drawn), frame({30, 20, 10, 60, 50, 40, 90, 80, 70})));
}

TEST(Augment, GainAndContrastStayInRangeAndLeaveLabels) {
  Augmentation drawn;
  drawn.brightness = 3.0;
  EXPECT_TRUE(at::equal(augment(nine(), drawn), frame({30, 60, 90, 120, 150, 180, 210, 240, 255})));
  EXPECT_TRUE(at::equal(augment_maps(nine(), drawn), nine()));
  drawn.brightness = 1.0;
  drawn.contrast = 0.5;
  EXPECT_TRUE(at::allclose(augment(nine(), drawn), frame({30, 35, 40, 45, 50, 55, 60, 65, 70})));
}

TEST(DrawAugmentation, StaysInTheRangesOfTheOptions) {
  std::int64_t lowest = 0, highest = 0;
  int flips = 0;
  for (std::uint32_t i = 0; i < 400; ++i) {
    const Augmentation drawn = draw_augmentation(all(), key(i, 0));
    lowest = std::min(lowest, drawn.down);
    highest = std::max(highest, drawn.down);
    flips += drawn.flip ? 1 : 0;
    EXPECT_LE(std::abs(drawn.right), 5);
    EXPECT_LE(std::abs(drawn.degrees), 10.0);
    EXPECT_LE(std::abs(drawn.brightness - 1.0), 0.2);
    EXPECT_LE(std::abs(drawn.contrast - 1.0), 0.3);
    EXPECT_GE(drawn.start, 0.0);
    EXPECT_LT(drawn.start, 1.0);
  }
  EXPECT_EQ(lowest, -5);
  EXPECT_EQ(highest, 5);
  EXPECT_NEAR(flips, 200, 40);  // four standard deviations
}

TEST(DrawAugmentation, DependsOnStepAndPositionAndOnNoOtherOption) {
  const Augmentation first = draw_augmentation(all(), key(3, 1));
  const Augmentation again = draw_augmentation(all(), key(3, 1));
  EXPECT_EQ(first.degrees, again.degrees);
  EXPECT_EQ(first.down, again.down);
  EXPECT_NE(first.degrees, draw_augmentation(all(), key(4, 1)).degrees);
  EXPECT_NE(first.degrees, draw_augmentation(all(), key(3, 2)).degrees);
  AugmentationOptions less = all();
  less.shift = 0;
  less.brightness = 0.0;
  const Augmentation drawn = draw_augmentation(less, key(3, 1));
  EXPECT_EQ(drawn.degrees, first.degrees);
  EXPECT_EQ(drawn.contrast, first.contrast);
  EXPECT_EQ(drawn.down, 0);
  EXPECT_EQ(drawn.brightness, 1.0);
}

TEST(DrawAugmentation, IsOffByDefaultButForTheStart) {
  const Augmentation drawn = draw_augmentation({}, key(1, 1));
  EXPECT_EQ(drawn.down, 0);
  EXPECT_EQ(drawn.degrees, 0.0);
  EXPECT_EQ(drawn.brightness, 1.0);
  EXPECT_FALSE(drawn.flip) << "left and right matter";
  AugmentationOptions middle;
  middle.temporal_start = false;
  EXPECT_EQ(draw_augmentation(middle, key(1, 1)).start, 0.5);
}

}  // namespace
}  // namespace echopath::training
