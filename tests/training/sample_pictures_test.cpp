#include "training/sample_pictures.hpp"

#include <gmock/gmock.h>

#include "echopath/models/model_directory.hpp"
#include "toy_data.hpp"
#include "training/lidm_recipe.hpp"
#include "training/lvdm_recipe.hpp"
#include "training/made_latents.hpp"

namespace echopath::training {
namespace {

using ::testing::ElementsAre;

constexpr std::int64_t kSide = 6;

/// What answers v for a clean sample that it knows.
Answer oracle(const at::Tensor& clean) {
  return [clean](const at::Tensor& noisy, const at::Tensor& timesteps) {
    const auto [signal, spread] = signal_and_noise(timesteps[0].item<std::int64_t>());
    const at::Tensor noise = (noisy - signal * clean) / spread;
    return signal * noise - spread * clean;
  };
}

TEST(SampleLatents, FindTheSampleOfANetworkThatKnowsIt) {
  const at::Tensor clean = normal_tensor({2, 4, 3, 3}, {1, Stream::kDataset, 0, 0});
  const at::Tensor noise = normal_tensor({2, 4, 3, 3}, {1, Stream::kInitialNoise, 0, 0});
  std::int64_t calls = 0;
  const Answer answer = [&](const at::Tensor& noisy, const at::Tensor& timesteps) {
    ++calls;
    EXPECT_EQ(timesteps.numel(), 2);
    return oracle(clean)(noisy, timesteps);
  };
  const at::Tensor sample = sample_latents({}, noise, answer);
  EXPECT_EQ(calls, 20);
  EXPECT_LT((sample - clean).abs().max().item<double>(), 1e-4);
}

TEST(SampleLatents, FollowAFlowToo) {
  diffusion::NoiseScheduleOptions flow;
  flow.prediction_type = "flow_prediction";
  const at::Tensor clean = normal_tensor({1, 4, 3, 3}, {1, Stream::kDataset, 0, 0});
  const at::Tensor noise = normal_tensor({1, 4, 3, 3}, {1, Stream::kInitialNoise, 0, 0});
  // The straight path's velocity is the same everywhere on it.
  const at::Tensor sample = sample_latents(
      flow, noise, [&](const at::Tensor&, const at::Tensor&) { return noise - clean; });
  EXPECT_LT((sample - clean).abs().max().item<double>(), 1e-4);
}

TEST(Tiled, LaysPicturesInRowsAsTheyCome) {
  std::vector<at::Tensor> pictures;
  for (const int level : {1, 2, 3}) pictures.push_back(at::full({2, 1, 2}, level, at::kByte));
  const io::Frames frames = tiled(pictures, 2, 32.0);
  EXPECT_EQ(frames.count, 2);
  EXPECT_EQ(frames.height, 2);
  EXPECT_EQ(frames.width, 4);
  EXPECT_EQ(frames.fps, 32.0);
  const std::vector<std::uint8_t> frame(frames.frame(1), frames.frame(1) + 8);
  EXPECT_THAT(frame, ElementsAre(1, 1, 2, 2, 3, 3, 0, 0));
}

class SamplePictures : public MadeLatents {
 protected:
  template <class Options>
  Options options(const std::string& network) {
    std::vector<MadeVideo> videos;
    for (int i = 0; i < 4; ++i) videos.push_back(made_video(i, "TRAIN", 9, kSide));
    write(videos);
    return toy_options<Options>(network, {"data.latents=" + latents().string()});
  }

  /// A model directory with a VAE that halves once.
  fs::path model_directory() const {
    models::AutoencoderKLConfig config;
    config.block_out_channels = {8, 8};
    config.norm_num_groups = 4;
    config.layers_per_block = 1;
    const models::AutoencoderKL vae(config);
    const fs::path directory = folder_ / "model";
    models::save_component(directory,
                           {"vae", "AutoencoderKL", config::dump(config::visit_of(config))}, *vae);
    models::update_model_info(directory, [](models::ModelInfo&) {});
    return directory;
  }
};

TEST_F(SamplePictures, ItemsAreOfEachClassInTurn) {
  const LatentSource source(options<LidmOptions>("lidm").data, {});
  // Videos 0 and 2 are of one class, 1 and 3 of the other.
  EXPECT_THAT(items_of_each_class(source.train(), 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(items_of_each_class(source.train(), 6), ElementsAre(0, 1, 2, 3, 0, 1));
  EXPECT_TRUE(items_of_each_class({}, 3).empty());
}

TEST_F(SamplePictures, WithoutTheirVaeLatentsAreShownChannelByChannel) {
  const LatentSource source(options<LidmOptions>("lidm").data, {});
  const fs::path model = model_directory();
  ASSERT_NE(models::ModelDirectory::open(model).encoder_hash(), source.encoder_hash());
  const LatentViewer viewer(model, source, at::kCPU);
  at::Tensor latents = at::zeros({1, 2, 1, 1});
  latents[0][0][0][0] = -9.0;
  latents[0][1][0][0] = 3.0;
  const at::Tensor shown = viewer.show(latents);
  ASSERT_EQ(shown.sizes(), (std::vector<std::int64_t>{1, 4, 8}));
  EXPECT_EQ(shown[0][3][3].item<int>(), 0);
  EXPECT_EQ(shown[0][0][4].item<int>(), 255);
}

TEST_F(SamplePictures, TheVaeThatMadeTheLatentsDecodesThem) {
  const models::ModelDirectory model = models::ModelDirectory::open(model_directory());
  tests::write_toy_latents(latents(), model.encoder_hash());
  LatentDataOptions data;
  data.latents = latents().string();
  const LatentSource source(data, {});
  const at::Tensor latents = normal_tensor({2, 4, 8, 8}, {1, Stream::kDataset, 0, 0});
  const at::Tensor shown = LatentViewer(model.path(), source, at::kCPU).show(latents);
  const torch::NoGradGuard no_grad;
  models::AutoencoderKL vae = model.load_vae(at::kCPU);
  const at::Tensor expected =
      generation::images_to_grey(vae->decode(latents / source.scaling_factor()));
  ASSERT_EQ(shown.sizes(), (std::vector<std::int64_t>{2, 16, 16}));
  EXPECT_TRUE(shown.equal(expected));
}

template <class RecipeType>
void expect_same_samples(RecipeType& recipe, std::int64_t count, std::int64_t height,
                         std::int64_t width) {
  const torch::NoGradGuard no_grad;
  for (const NamedModule& module : recipe.modules(0)) module.module->eval();
  const std::vector<NamedFrames> first = recipe.samples("/no/such/model");
  ASSERT_EQ(first.size(), 1);
  const io::Frames& frames = first[0].frames;
  EXPECT_EQ(frames.count, count);
  EXPECT_EQ(frames.height, height);
  EXPECT_EQ(frames.width, width);
  EXPECT_EQ(recipe.samples("/no/such/model")[0].frames.pixels, frames.pixels);
  // Other weights, other samples.
  for (const NamedModule& module : recipe.modules(0)) {
    for (const at::Tensor& parameter : module.module->parameters()) parameter.mul_(1.5);
  }
  EXPECT_NE(recipe.samples("/no/such/model")[0].frames.pixels, frames.pixels);
}

// Four channels of 6×6, four times enlarged, in two rows of four samples and of two.
TEST_F(SamplePictures, OfALidmAreTheSameFramesEachTime) {
  LidmRecipe recipe(options<LidmOptions>("lidm"), at::kCPU);
  expect_same_samples(recipe, 1, 2 * 24, 4 * 4 * 24);
}

TEST_F(SamplePictures, OfAnLvdmAreTheSameClipsEachTime) {
  LvdmRecipe recipe(options<LvdmOptions>("lvdm"), at::kCPU);
  expect_same_samples(recipe, 8, 2 * 24, 2 * 4 * 24);
}

}  // namespace
}  // namespace echopath::training
