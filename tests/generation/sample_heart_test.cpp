// Heart frames from files, and models whose parts do not fit each other.
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>

#include "echopath/core/random.hpp"
#include "echopath/generation/frame_codec.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/io/video.hpp"
#include "sample_support.hpp"

namespace echopath::generation {
namespace {

using testing::message_of;
using testing::TemporaryFolder;
using testing::toy_options;

TEST(SampleHeart, GivenLatentsAreTheFirstFrame) {
  const TemporaryFolder folder;
  const at::Tensor latents = normal_tensor({3, 4, 14, 14}, {1, Stream::kDataset, 0, 0});
  io::save_safetensors(folder / "heart.safetensors", {{"mean", latents}});
  io::save_safetensors(folder / "scaled.safetensors", {{"any", latents[2] * 0.18215}});
  SampleOptions options = toy_options(folder / "out");
  options.heart = (folder / "heart.safetensors").string();
  options.heart_frame = 2;
  options.trace = (folder / "trace.safetensors").string();
  run_sampling(options);
  const at::Tensor first = io::load_safetensors(options.trace).at("ASD_000010/block_0000")[0];
  EXPECT_TRUE(at::allclose(first, latents[2] * 0.18215));
  const ManifestEntry entry = read_manifest(folder / "out/manifest.jsonl").at(0);
  EXPECT_EQ(entry.heart, sha256_file(options.heart));
  EXPECT_TRUE(entry.filtered);

  SampleOptions scaled = options;
  scaled.out = (folder / "scaled").string();
  scaled.heart = (folder / "scaled.safetensors").string();
  scaled.heart_frame = 0;
  run_sampling(scaled);
  EXPECT_TRUE(
      at::allclose(io::load_safetensors(scaled.trace).at("ASD_000010/block_0000")[0], first));
  options.trace.clear();
  options.resume = true;
  options.count = 2;
  options.heart = scaled.heart;
  options.heart_frame = 2;
  EXPECT_NE(message_of(options).find("no frame 2"), std::string::npos);
}

TEST(SampleHeart, PictureIsEncodedAndNeedsNoLidm) {
  const TemporaryFolder folder;
  testing::write_toy_model(folder / "model");
  fs::remove_all(folder / "model/lidm");
  cv::imwrite((folder / "heart.png").string(),
              cv::Mat(testing::kToyImageSize, testing::kToyImageSize, CV_8UC1, cv::Scalar(90)));
  SampleOptions options = toy_options(folder / "out");
  options.model = (folder / "model").string();
  EXPECT_NE(message_of(options).find("lidm"), std::string::npos);
  options.heart = (folder / "heart.png").string();
  EXPECT_EQ(run_sampling(options).made, 1);
}

// Both hold the same frames without loss.
TEST(SampleHeart, FrameOfAVideoOrDicomFileThatSampleWroteIsTheFirst) {
  const TemporaryFolder folder;
  SampleOptions source = toy_options(folder / "source");
  source.codec = "ffv1";
  source.also = {"dicom"};
  const fs::path video = run_sampling(source).videos.at(0);
  const auto model = models::ModelDirectory::open(source.model);
  const FrameCodec codec(model.load_vae(at::kCPU), at::kCPU);
  const at::Tensor hearts =
      codec.encode(io::read_video(video)).mean * model.info().latent_scaling_factor;
  for (const fs::path& file : {video, folder / "source/DICOM/ASD_000010.dcm"}) {
    const std::string kind = file.extension().string();
    SampleOptions options = toy_options(folder / ("from" + kind));
    options.heart = file.string();
    options.heart_frame = 3;
    options.trace = (folder / ("trace" + kind + ".safetensors")).string();
    EXPECT_EQ(run_sampling(options).made, 1) << file;
    const at::Tensor block = io::load_safetensors(options.trace).at("ASD_000010/block_0000");
    EXPECT_EQ(block.sizes(), at::IntArrayRef({6, 4, 14, 14})) << file;
    EXPECT_TRUE(at::allclose(block[0], hearts[3], 1e-4, 1e-4)) << file;
  }
}

TEST(SampleHeart, RefusedByTheGateNeedsLeave) {
  const TemporaryFolder folder;
  testing::ToyModelOptions strict;
  strict.tau = -2.0;
  testing::write_toy_model(folder / "model", strict);
  io::save_safetensors(folder / "heart.safetensors", {{"mean", at::rand({4, 14, 14})}});
  SampleOptions options = toy_options(folder / "out");
  options.model = (folder / "model").string();
  options.heart = (folder / "heart.safetensors").string();
  EXPECT_NE(message_of(options).find("does not pass the privacy gate"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "out"));
  options.allow_unfiltered = true;
  EXPECT_EQ(run_sampling(options).unfiltered, 1);
}

TEST(SampleHeart, LatentsOfAnotherShapeAreRefused) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.heart = (folder / "heart.safetensors").string();
  io::save_safetensors(options.heart, {{"mean", at::rand({3, 14, 14})}});
  EXPECT_NE(message_of(options).find("is [3, 14, 14], but a heart frame of this model is [4, 14, "),
            std::string::npos);
  io::save_safetensors(options.heart, {{"a", at::rand({4, 14, 14})}, {"b", at::rand({1})}});
  EXPECT_NE(message_of(options).find("2 tensors and no 'mean'"), std::string::npos);
  io::save_safetensors(options.heart, {{"mean", at::rand({4, 14, 14})}},
                       {{"encoder_hash", "another"}});
  EXPECT_NE(message_of(options).find("another VAE"), std::string::npos);
}

TEST(SampleModel, PartsOfOtherLatentsAreRefused) {
  const TemporaryFolder folder;
  testing::write_toy_model(folder / "model");
  SampleOptions options = toy_options(folder / "out");
  options.model = (folder / "model").string();
  const auto with_shape = [&](const std::vector<std::int64_t>& shape) {
    models::update_model_info(folder / "model",
                              [&](models::ModelInfo& info) { info.latent_shape = shape; });
    return message_of(options);
  };
  EXPECT_NE(with_shape({4, 28, 28}).find("the VAE makes latents of [4, 14, 14]"),
            std::string::npos);
  EXPECT_NE(with_shape({3, 14, 14}).find("the VAE makes"), std::string::npos);
  models::update_model_info(folder / "model", [](models::ModelInfo& info) {
    info.latent_shape = {4, 14, 14};
  });
  config::Json lvdm = config::read_json((folder / "model/lvdm/config.json").string());
  lvdm["sample_size"] = 28;
  write_file(folder / "model/lvdm/config.json", lvdm.dump());
  EXPECT_NE(message_of(options).find("the LVDM was made for latents of size 28"),
            std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "out"));
}

}  // namespace
}  // namespace echopath::generation
