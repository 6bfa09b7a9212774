#include "echopath/generation/frame_codec.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "echopath/core/errors.hpp"
#include "toy_model.hpp"

namespace echopath::generation {
namespace {

io::Frames grey_ramp(std::int64_t count, std::int64_t size) {
  io::Frames frames;
  frames.count = count;
  frames.height = size;
  frames.width = size;
  frames.pixels.resize(static_cast<std::size_t>(count * size * size));
  std::iota(frames.pixels.begin(), frames.pixels.end(), std::uint8_t{0});
  return frames;
}

models::AutoencoderKL vae() {
  torch::manual_seed(2);
  models::AutoencoderKL network = testing::toy_vae();
  network->eval();
  return network;
}

TEST(FrameCodec, PixelsSpanMinusOneToOneInEveryChannel) {
  const at::Tensor images = frames_to_images(grey_ramp(1, 16), 0, 1);
  EXPECT_EQ(images.sizes(), at::IntArrayRef({1, 3, 16, 16}));
  EXPECT_EQ(images.min().item<float>(), -1.0F);
  EXPECT_EQ(images.max().item<float>(), 1.0F);
  EXPECT_NEAR(images[0][1][0][1].item<float>(), 1.0 / 127.5 - 1.0, 1e-6);
  EXPECT_TRUE(at::equal(images.select(1, 0), images.select(1, 2)));
}

TEST(FrameCodec, EveryGreyLevelComesBack) {
  const io::Frames frames = grey_ramp(1, 16);
  const at::Tensor grey = images_to_grey(frames_to_images(frames, 0, 1));
  EXPECT_TRUE(
      std::equal(frames.pixels.begin(), frames.pixels.end(), grey.const_data_ptr<std::uint8_t>()));
}

TEST(FrameCodec, GreyIsTheRoundedAndClampedMeanOfTheChannels) {
  const at::Tensor images =
      at::tensor({-1.5F, -1.5F, -1.5F, 0.0F, 0.3F, 0.0F, 2.0F, 2.0F, 2.0F}).view({3, 3, 1, 1});
  const at::Tensor grey = images_to_grey(images).flatten();
  EXPECT_EQ(grey[0].item<int>(), 0);
  EXPECT_EQ(grey[1].item<int>(), 140);  // (0.1 + 1)·127.5 = 140.25
  EXPECT_EQ(grey[2].item<int>(), 255);
}

TEST(FrameCodec, EncodesEveryFrameOnceWhateverTheBatch) {
  const io::Frames frames = grey_ramp(5, 28);
  std::vector<std::int64_t> reported;
  const data::LatentVideo by_two =
      FrameCodec(vae(), at::kCPU, 2).encode(frames, [&](std::int64_t done) {
        reported.push_back(done);
      });
  const data::LatentVideo at_once = FrameCodec(vae(), at::kCPU, 32).encode(frames);
  EXPECT_EQ(by_two.mean.sizes(), at::IntArrayRef({5, 4, 14, 14}));
  EXPECT_EQ(by_two.logvar.sizes(), by_two.mean.sizes());
  EXPECT_TRUE(at::allclose(by_two.mean, at_once.mean, 1e-4, 1e-5));
  EXPECT_EQ(reported, std::vector<std::int64_t>({2, 4, 5}));
}

TEST(FrameCodec, DecodesFramesInOrder) {
  const FrameCodec codec(vae(), at::kCPU, 2);
  const at::Tensor latents = torch::randn({3, 4, 14, 14});
  std::vector<at::Tensor> got;
  codec.decode(latents, [&](const std::uint8_t* frame) {
    got.push_back(at::from_blob(const_cast<std::uint8_t*>(frame), {28, 28}, at::kByte).clone());
  });
  ASSERT_EQ(got.size(), 3U);
  const at::NoGradGuard no_grad;
  const at::Tensor direct = images_to_grey(vae()->decode(latents));
  EXPECT_LE((at::stack(got).to(at::kInt) - direct.to(at::kInt)).abs().max().item<int>(), 1);
}

TEST(FrameCodec, ComputesInThePrecisionOfTheWeights) {
  models::AutoencoderKL network = vae();
  const FrameCodec codec(network, at::kCPU, 2);
  const at::Tensor latents = torch::randn({2, 4, 14, 14});
  const auto decoded = [&] {
    std::vector<at::Tensor> got;
    codec.decode(latents, [&](const std::uint8_t* frame) {
      got.push_back(at::from_blob(const_cast<std::uint8_t*>(frame), {28, 28}, at::kByte).clone());
    });
    return at::stack(got).to(at::kFloat);
  };
  const at::Tensor exact = decoded();
  network->to(at::kBFloat16);
  const double difference = (decoded() - exact).abs().mean().item<double>();
  EXPECT_GT(difference, 0.0) << "it was float32";
  EXPECT_LT(difference, 2.0) << "grey levels";
}

TEST(FrameCodec, RefusesSizesTheVaeCannotHalve) {
  EXPECT_THROW(FrameCodec(vae(), at::kCPU).encode(grey_ramp(1, 27)), DataError);
}

}  // namespace
}  // namespace echopath::generation
