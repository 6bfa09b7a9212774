#include "echopath/diffusion/frame_noise.hpp"

#include <gtest/gtest.h>

namespace echopath::diffusion {
namespace {

constexpr NoiseKey kOwn{3, Stream::kTrainingNoise, 1, 2};
constexpr NoiseKey kShared{3, Stream::kSharedNoise, 1, 2};

TEST(FrameNoise, WithoutCorrelationIsThePlainDraw) {
  EXPECT_TRUE(
      at::equal(frame_noise({2, 4, 3, 5}, 0.0, kOwn, kShared), normal_tensor({2, 4, 3, 5}, kOwn)));
}

TEST(FrameNoise, FramesOfAClipHaveThePartInCommonAndClipsHaveNone) {
  const at::Tensor noise = frame_noise({2, 3, 4, 50, 50}, 0.6, kOwn, kShared);
  const auto correlation = [](const at::Tensor& a, const at::Tensor& b) {
    return (a * b).mean().item<double>();  // of 10,000 products: deviation 0.012
  };
  for (int clip = 0; clip < 2; ++clip) {
    EXPECT_NEAR(correlation(noise[clip][0], noise[clip][0]), 1.0, 0.06);
    EXPECT_NEAR(correlation(noise[clip][0], noise[clip][2]), 0.6, 0.06);
  }
  EXPECT_NEAR(correlation(noise[0][0], noise[1][0]), 0.0, 0.05);
}

TEST(FrameNoise, FullCorrelationIsOneFrameRepeated) {
  const at::Tensor noise = frame_noise({1, 3, 4}, 1.0, kOwn, kShared);
  EXPECT_TRUE(at::equal(noise[0][0], normal_tensor({1, 1, 4}, kShared)[0][0]));
  EXPECT_TRUE(at::equal(noise[0][0], noise[0][2]));
}

}  // namespace
}  // namespace echopath::diffusion
