#include "training/lidm_recipe.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "echopath/io/safetensors.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/unet_2d_condition.hpp"
#include "training/heart_cycles.hpp"
#include "training/loss_of.hpp"
#include "training/made_latents.hpp"
#include "training/order.hpp"

namespace echopath::training {
namespace {

using ::testing::ElementsAre;

constexpr std::int64_t kSide = 6;  // padded to 8, one on each side
constexpr std::uint64_t kSeed = 42;

MicroBatch whole_batch(std::int64_t step, std::int64_t size) {
  MicroBatch batch{step, std::vector<std::int64_t>(static_cast<std::size_t>(size))};
  std::iota(batch.positions.begin(), batch.positions.end(), 0);
  return batch;
}

class LidmRecipeTest : public MadeLatents {
 protected:
  LidmOptions options(std::vector<std::string> overrides = {}) {
    overrides.insert(overrides.begin(),
                     {"data.latents=" + latents().string(), "compatibility.posterior=mean",
                      "training.batch_size=1", "diffusion.class_dropout=0"});
    return toy_options<LidmOptions>("lidm", overrides);
  }

  static double loss(LidmRecipe& recipe, std::int64_t step) {
    torch::NoGradGuard no_grad;
    Figures figures;
    return loss_of(recipe, 0, {step, {0}}, figures).item<double>();
  }

  /// The loss of step `step` on a frame x0 [C, H, W] of class `label`; with label −1 the network
  /// answers zero.
  static double expected_loss(LidmRecipe& recipe, const LidmOptions& options, std::int64_t step,
                              const at::Tensor& x0, std::int64_t label) {
    torch::NoGradGuard no_grad;
    const auto index = static_cast<std::uint32_t>(step);
    const at::Tensor noise =
        normal_tensor(x0.sizes(), {kSeed, Stream::kTrainingNoise, index, 0}) +
        options.diffusion.noise_offset *
            normal_tensor({x0.size(0), 1, 1}, {kSeed, Stream::kNoiseOffset, index, 0});
    const at::Tensor t = ObjectiveDraws(options.diffusion, {}, kSeed).timesteps({step, {0}});
    const auto [signal, spread] = signal_and_noise(t.item<std::int64_t>());
    const at::Tensor v = signal * noise - spread * x0;
    if (label < 0) return v.square().mean().item<double>();
    const auto network = module_of<models::UNet2DConditionModelImpl>(recipe, "lidm");
    const auto embedding = module_of<models::ClassEmbeddingImpl>(recipe, "class_embedding");
    const at::Tensor noisy = (signal * x0 + spread * noise).unsqueeze(0);
    const at::Tensor output =
        network->forward(at::replication_pad2d(noisy, {1, 1, 1, 1}), t,
                         embedding->forward(at::tensor({label}, at::kLong)))[0];
    return (output.slice(1, 1, kSide + 1).slice(2, 1, kSide + 1) - v)
        .square()
        .mean()
        .item<double>();
  }
};

TEST_F(LidmRecipeTest, LearnsVOnTheUnpaddedOutputUnderItsClass) {
  const MadeVideo video = made_video(1, "TRAIN", 1, kSide);
  write({video});
  const LidmOptions options = this->options();
  LidmRecipe recipe(options, at::kCPU);
  for (std::int64_t step = 0; step < 4; ++step) {
    std::vector<double> candidates;
    for (std::int64_t label = 0; label <= 2; ++label) {
      candidates.push_back(expected_loss(recipe, options, step, kMadeScale * video.mean[0], label));
    }
    EXPECT_EQ(only_match(loss(recipe, step), candidates), 1) << step;
  }
}

TEST_F(LidmRecipeTest, DrawsEveryFrameOfAVideo) {
  const MadeVideo video = made_video(0, "TRAIN", 4, kSide);
  write({video});
  const LidmOptions options = this->options();
  LidmRecipe recipe(options, at::kCPU);
  silence(recipe);
  std::set<std::int64_t> frames;
  for (std::int64_t step = 0; step < 24; ++step) {
    std::vector<double> candidates;
    for (std::int64_t frame = 0; frame < 4; ++frame) {
      candidates.push_back(
          expected_loss(recipe, options, step, kMadeScale * video.mean[frame], -1));
    }
    frames.insert(only_match(loss(recipe, step), candidates));
  }
  EXPECT_THAT(frames, ElementsAre(0, 1, 2, 3));
}

TEST_F(LidmRecipeTest, NoiseOffsetIsOneNumberPerChannel) {
  const MadeVideo video = made_video(0, "TRAIN", 1, kSide);
  write({video});
  const LidmOptions options = this->options({"diffusion.noise_offset=0.3"});
  const LidmOptions without = this->options();
  LidmRecipe recipe(options, at::kCPU);
  silence(recipe);
  const at::Tensor x0 = kMadeScale * video.mean[0];
  for (std::int64_t step = 0; step < 3; ++step) {
    EXPECT_EQ(only_match(loss(recipe, step), {expected_loss(recipe, options, step, x0, -1),
                                              expected_loss(recipe, without, step, x0, -1)}),
              0)
        << step;
  }
}

TEST_F(LidmRecipeTest, ADroppedClassIsTheNullTokenAndNoClass) {
  write({made_video(0, "TRAIN", 1, kSide), made_video(1, "TRAIN", 1, kSide)});
  const auto rows_that_learn = [this](const std::string& dropout) {
    LidmRecipe recipe(options({"diffusion.class_dropout=" + dropout, "training.batch_size=2"}),
                      at::kCPU);
    return class_rows_that_learn(recipe, whole_batch(0, 2));
  };
  EXPECT_THAT(rows_that_learn("0"), ElementsAre(true, true, false));
  EXPECT_THAT(rows_that_learn("1"), ElementsAre(false, false, true));
}

TEST_F(LidmRecipeTest, MinSnrWeighsTheLossOfEachItem) {
  write({made_video(0, "TRAIN", 1, kSide)});
  LidmRecipe plain(options(), at::kCPU);
  LidmRecipe weighted(options({"diffusion.loss_weighting=min_snr"}), at::kCPU);
  silence(plain);
  silence(weighted);
  for (std::int64_t step = 0; step < 5; ++step) {
    const at::Tensor t = ObjectiveDraws(options().diffusion, {}, kSeed).timesteps({step, {0}});
    const auto [signal, noise] = signal_and_noise(t.item<std::int64_t>());
    const double snr = signal * signal / (noise * noise);
    const double weight = std::min(snr, 5.0) / (snr + 1.0);
    EXPECT_NEAR(loss(weighted, step), weight * loss(plain, step), 1e-3 * weight) << step;
  }
  const auto levels = weighted.take_losses_by_level();
  ASSERT_EQ(levels.size(), 5U);
  EXPECT_NEAR(levels[0].loss, loss(plain, 0), 1e-6) << "the histogram is of the plain loss";
}

TEST_F(LidmRecipeTest, TheUnconditionalNetworkHasNoConditionAndSaysNothingOfOthers) {
  write({made_video(0, "TRAIN", 1, kSide)});
  fs::create_directories(folder_ / "model");
  models::update_model_info(folder_ / "model", [](models::ModelInfo& info) {
    info.class_names = {"ASD", "Non-ASD"};
    info.conditioning = "scalar";
  });
  LidmRecipe recipe(
      options({"architecture=UNet2DModel",
               R"(model={"sample_size":8,"down_block_types":["AttnDownBlock2D","DownBlock2D"],)"
               R"("up_block_types":["UpBlock2D","AttnUpBlock2D"],"block_out_channels":[8,8],)"
               R"("layers_per_block":1,"norm_num_groups":4,"attention_head_dim":4})"}),
      at::kCPU);
  EXPECT_EQ(recipe.modules(0).size(), 1U);
  EXPECT_FALSE(recipe.load({0, {0}}).tensors.contains("conditions"));
  Figures figures;
  loss_of(recipe, 0, {0, {0}}, figures).backward();
  for (const at::Tensor& parameter : recipe.modules(0).front().module->parameters()) {
    EXPECT_TRUE(parameter.grad().defined());
  }
  recipe.export_model(folder_ / "model", 7);
  const models::ModelDirectory model = models::ModelDirectory::open(folder_ / "model");
  EXPECT_EQ(model.info().conditioning, "scalar") << "that of the LVDM trained before";
  EXPECT_FALSE(model.has("class_embedding/lidm"));
  EXPECT_EQ(model.load_lidm(at::kCPU)->class_name(), "UNet2DModel");
}

TEST_F(LidmRecipeTest, BalancedClassesAreDrawnEquallyOften) {
  std::vector<MadeVideo> videos = {made_video(1, "TRAIN", 1, kSide)};
  for (const int asd : {0, 2, 4, 6, 8}) videos.push_back(made_video(asd, "TRAIN", 1, kSide));
  write(videos);
  const auto drawn_of_the_rare_class = [this](const std::string& balance) {
    const LidmOptions options =
        this->options({"data.balance_classes=" + balance, "training.batch_size=12"});
    const LatentSource source(options.data, options.compatibility);
    int rare = 0;
    const data::BatchOrder order =
        make_order(labels_of(source.train()), options.data.balance_classes, options.training);
    for (const std::int64_t item : order.batch(0)) {
      rare += source.train()[static_cast<std::size_t>(item)].label == 1 ? 1 : 0;
    }
    return rare;
  };
  EXPECT_EQ(drawn_of_the_rare_class("true"), 6);
  EXPECT_EQ(drawn_of_the_rare_class("false"), 2);  // two epochs of six videos
}

TEST_F(LidmRecipeTest, WritesTheWeightsInThePrecisionAskedFor) {
  write({made_video(0, "TRAIN", 1, kSide)});
  LidmRecipe recipe(options({"output.weights_dtype=bfloat16"}), at::kCPU);
  recipe.export_model(folder_ / "model", 7);
  const io::SafetensorsFile file(folder_ / "model" / "lidm" /
                                 "diffusion_pytorch_model.safetensors");
  const auto network = recipe.modules(0).front().module;
  for (const auto& item : network->named_parameters()) {
    ASSERT_EQ(file.dtype(item.key()), at::kBFloat16) << item.key();
    EXPECT_TRUE(at::equal(file.tensor(item.key()), item.value().detach().to(at::kBFloat16)))
        << item.key();
  }
}

TEST(ClassDropout, HasItsRateAndLeavesTheOthersAsTheyAre) {
  constexpr std::int64_t kItems = 4000, kNull = 2;
  std::vector<std::int64_t> classes;
  for (std::int64_t i = 0; i < kItems; ++i) classes.push_back(i % 2);
  for (const double rate : {0.0, 0.1, 0.3, 1.0}) {
    ObjectiveOptions options;
    options.class_dropout = rate;
    const ObjectiveDraws draws(options, {}, kSeed);
    const at::Tensor labels =
        draws.drop_conditions(at::tensor(classes, at::kLong), whole_batch(5, kItems), kNull);
    std::int64_t dropped = 0;
    for (std::int64_t i = 0; i < kItems; ++i) {
      const auto label = labels[i].item<std::int64_t>();
      if (label == kNull) {
        ++dropped;
      } else {
        ASSERT_EQ(label, classes[static_cast<std::size_t>(i)]);
      }
    }
    // Four standard deviations of the binomial distribution.
    const double spread = 4.0 * std::sqrt(kItems * rate * (1.0 - rate));
    EXPECT_NEAR(static_cast<double>(dropped), kItems * rate, spread) << rate;
  }
}

TEST_F(LidmRecipeTest, TheWindowLeavesFramesNearTheStillestMoment) {
  write({beating_video(0, "TRAIN", 24.0, 6.0, kSide), beating_video(1, "TRAIN", 30.0, 0.0, kSide),
         made_video(2, "TRAIN", 96, kSide)});
  const LidmOptions options = this->options({"training.batch_size=24", "heart_phase_window=0.1"});
  LidmRecipe recipe(options, at::kCPU);
  const LatentSource source(options.data, options.compatibility);
  const HeartCycles cycles(source, options.data);
  const Batch batch = recipe.load(whole_batch(0, 24));
  std::set<std::int64_t> drawn;
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    const auto item = std::find_if(
        source.train().begin(), source.train().end(),
        [&](const LatentItem& each) { return each.study.file_name == batch.items[i]; });
    const at::Tensor away =
        (source.frames(*item, 0, 96, {}) - batch.tensors.at("x0")[static_cast<std::int64_t>(i)])
            .abs()
            .flatten(1)
            .amax(1);
    const std::int64_t frame = away.argmin().item<std::int64_t>();
    const std::vector<std::int64_t> still = cycles.still_frames(*item, 0.1);
    if (still.empty()) continue;  // the video without a beat: any frame
    EXPECT_TRUE(std::find(still.begin(), still.end(), frame) != still.end())
        << batch.items[i] << " frame " << frame;
    drawn.insert(frame);
  }
  EXPECT_GT(drawn.size(), 3U);
  recipe.export_model(folder_ / "model", 7);
  const auto model = models::ModelDirectory::open(folder_ / "model");
  EXPECT_EQ(model.info().trained_on.at("lidm").at("heart_phase_window"), 0.1);
}

}  // namespace
}  // namespace echopath::training
