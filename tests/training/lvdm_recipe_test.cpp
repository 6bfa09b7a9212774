#include "training/lvdm_recipe.hpp"

#include <gmock/gmock.h>

#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/models/model_directory.hpp"
#include "training/lvdm_recipe_support.hpp"

namespace echopath::training {
namespace {

using ::testing::ElementsAre;

TEST_F(LvdmRecipeTest, GivenFramesAreTheFirstOfTheClipAndTheLastOfThemIsHeld) {
  const LvdmOptions options = this->options(10, {"context_frames=3"});
  LvdmRecipe mute = silent(options), recipe(options, at::kCPU);
  std::set<std::int64_t> counts;
  for (std::int64_t step = 0; step < 8; ++step) {
    const std::int64_t start = start_of(options, mute, step);
    ASSERT_GE(start, 0) << step;
    const Sample drawn = sample(options, step, start);
    std::vector<double> candidates;
    for (std::int64_t count = 0; count <= 4; ++count) {
      // No given frame at all is no candidate: NaN matches nothing.
      candidates.push_back(
          count == 0 ? std::nan("")
                     : expected_loss(recipe, drawn, scaled().slice(0, start, start + count), 0));
    }
    counts.insert(only_match(loss(recipe, step), candidates));
  }
  EXPECT_THAT(counts, ElementsAre(1, 2, 3));
}

TEST_F(LvdmRecipeTest, RandomReferenceIsAnyFrameOfTheWholeVideo) {
  expect_any_frame(this->options(14, {"context_frames=1", "compatibility.reference_frame=random"}),
                   [](const at::Tensor&, const at::Tensor& frame) { return frame; });
}

TEST_F(LvdmRecipeTest, ReferenceNoiseIsOnTheGivenFramesOnly) {
  const LvdmOptions options = this->options(kBlock, {"context_frames=1", "reference_noise=0.5"});
  LvdmRecipe recipe(options, at::kCPU);
  for (std::uint32_t step = 0; step < 3; ++step) {
    const double level = 0.5 * uniform_number({kSeed, Stream::kClipChoice, step, 0}, 3);
    const at::Tensor clean = scaled().slice(0, 0, 1);
    const at::Tensor given =
        clean + level * normal_tensor(clean.sizes(), {kSeed, Stream::kReferenceNoise, step, 0});
    const Sample drawn = sample(options, step, 0);
    EXPECT_EQ(only_match(loss(recipe, step), {expected_loss(recipe, drawn, clean, 0),
                                              expected_loss(recipe, drawn, given, 0)}),
              1)
        << step;
  }
}

TEST_F(LvdmRecipeTest, ADroppedReferenceIsZerosInEveryFrame) {
  const LvdmOptions options =
      this->options(kBlock, {"context_frames=1", "reference_noise=0.5", "reference_dropout=1"});
  LvdmRecipe recipe(options, at::kCPU);
  const at::Tensor zeros = at::zeros({1, kChannels, kSide, kSide});
  for (std::int64_t step = 0; step < 3; ++step) {
    const Sample drawn = sample(options, step, 0);
    EXPECT_EQ(
        only_match(loss(recipe, step), {expected_loss(recipe, drawn, scaled().slice(0, 0, 1), 0),
                                        expected_loss(recipe, drawn, zeros, 0)}),
        1)
        << step;
  }
}

TEST_F(LvdmRecipeTest, ReferencesAreDroppedByItemAndNeverInValidation) {
  const LvdmOptions options =
      this->options(kBlock, {"reference_dropout=0.5", "training.batch_size=16"});
  const LvdmRecipe recipe(options, at::kCPU);
  MicroBatch whole{3, {}};
  for (std::int64_t i = 0; i < 16; ++i) whole.positions.push_back(i);
  const at::Tensor references = recipe.load(whole).tensors.at("given");
  const at::Tensor dropped = references.flatten(1).abs().amax(1) == 0;
  EXPECT_GT(dropped.sum().item<std::int64_t>(), 2);
  EXPECT_LT(dropped.sum().item<std::int64_t>(), 14);
  const at::Tensor part = recipe.load({3, {5, 6, 7}}).tensors.at("given");
  EXPECT_TRUE(at::equal(part, references.slice(0, 5, 8))) << "whatever else is in the batch";
}

TEST_F(LvdmRecipeTest, TheEjectionFractionIsTheConditionAsAPartOfOne) {
  video_ = made_video(0, "TRAIN", kBlock, kSide);
  video_.study.ef = 62.5;
  write({video_});
  const auto with_dropout = [this](const std::string& dropout) {
    return toy_options<LvdmOptions>(
        "lvdm", {"data.latents=" + latents().string(), "training.batch_size=1",
                 "model.cross_attention_dim=1", "class_embedding.mode=scalar",
                 "class_embedding.source=ef", "diffusion.class_dropout=" + dropout});
  };
  LvdmRecipe recipe(with_dropout("0"), at::kCPU), dropping(with_dropout("1"), at::kCPU);
  const at::Tensor condition = recipe.load({0, {0}}).tensors.at("conditions");
  EXPECT_EQ(condition.item<float>(), 0.625F);
  const auto embedding = module_of<models::ClassEmbeddingImpl>(recipe, "class_embedding");
  EXPECT_EQ(embedding->forward(condition).item<float>(), 0.625F);
  EXPECT_EQ(dropping.load({0, {0}}).tensors.at("conditions").item<float>(), 0.0F);

  recipe.export_model(folder_ / "model", 7);
  models::ModelDirectory model = models::ModelDirectory::open(folder_ / "model");
  EXPECT_EQ(model.info().conditioning, "scalar");
  EXPECT_TRUE(model.load_class_embedding("lvdm", at::kCPU)->takes_ejection_fraction());
}

TEST_F(LvdmRecipeTest, AVideoWithoutTheEjectionFractionItNeedsIsNamed) {
  video_ = made_video(0, "TRAIN", kBlock, kSide);
  write({video_});
  const LvdmOptions options = toy_options<LvdmOptions>(
      "lvdm", {"data.latents=" + latents().string(), "model.cross_attention_dim=1",
               "class_embedding.mode=scalar", "class_embedding.source=ef"});
  try {
    const LvdmRecipe recipe(options, at::kCPU);
    FAIL() << "no error";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(),
                ::testing::AllOf(::testing::HasSubstr("video_0.avi"), ::testing::HasSubstr("EF")));
  }
}

TEST_F(LvdmRecipeTest, AListWithoutClassesIsOfTheOnlyOne) {
  video_ = made_video(0, "TRAIN", kBlock, kSide);
  video_.study.class_name.clear();
  write({video_});
  const auto source = [this](const std::string& classes) {
    const LvdmOptions options = toy_options<LvdmOptions>(
        "lvdm", {"data.latents=" + latents().string(), "data.classes=" + classes});
    return LatentSource(options.data, options.compatibility);
  };
  EXPECT_EQ(source("[\"A4C\"]").train().front().label, 0);
  EXPECT_THROW(source("[\"ASD\",\"Non-ASD\"]"), DataError);
}

TEST_F(LvdmRecipeTest, ValidationListsFixedNoiseLevelsAndIsTheSameEachTime) {
  video_ = made_video(0, "TRAIN", kBlock, kSide);
  write({video_, made_video(1, "VAL", kBlock, kSide)});
  const LvdmOptions options =
      toy_options<LvdmOptions>("lvdm", {"data.latents=" + latents().string()});
  torch::manual_seed(1);
  LvdmRecipe recipe(options, at::kCPU);
  const torch::NoGradGuard no_grad;
  const Figures figures = recipe.validate();
  std::vector<std::string> names;
  for (const auto& [name, value] : figures) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("val_loss", "val_loss/t=125", "val_loss/t=375", "val_loss/t=625",
                                 "val_loss/t=875"));
  EXPECT_NEAR(figures[0].second,
              (figures[1].second + figures[2].second + figures[3].second + figures[4].second) / 4.0,
              1e-6);
  EXPECT_EQ(recipe.validate(), figures);
  EXPECT_TRUE(recipe.take_losses_by_level().empty()) << "validation is no training";
}

TEST_F(LvdmRecipeTest, PublishedClipNeverStartsAtTheLastPlace) {
  for (const bool any : {true, false}) {
    const LvdmOptions options =
        this->options(10, {std::string("compatibility.clip_start=") + (any ? "any" : "not_last")});
    LvdmRecipe mute = silent(options);
    std::set<std::int64_t> starts;
    for (std::int64_t step = 0; step < 24; ++step) starts.insert(start_of(options, mute, step));
    if (any) {
      EXPECT_THAT(starts, ElementsAre(0, 1, 2));
    } else {
      EXPECT_THAT(starts, ElementsAre(0, 1));
    }
  }
}

TEST_F(LvdmRecipeTest, PublishedMaskLetsOneFrameOfPaddingIn) {
  // How many frames of the block count, found by the loss of step `step`.
  const auto counted = [this](std::int64_t frames, const std::string& mask, std::int64_t step) {
    const LvdmOptions options = this->options(frames, {"compatibility.valid_frame_mask=" + mask});
    LvdmRecipe mute = silent(options);
    const at::Tensor v = sample(options, step, 0).v;
    std::vector<double> candidates;
    for (std::int64_t count = 0; count <= kBlock; ++count) {
      // The mean is over all elements, of frames that count or not.
      candidates.push_back(v.slice(0, 0, count).square().sum().item<double>() /
                           static_cast<double>(v.numel()));
    }
    return only_match(loss(mute, step), candidates);
  };
  for (std::int64_t step = 0; step < 3; ++step) {
    EXPECT_EQ(counted(5, "less", step), 5);
    EXPECT_EQ(counted(5, "less_equal", step), 6);
    EXPECT_EQ(counted(kBlock, "less_equal", step), kBlock);
  }
}

TEST_F(LvdmRecipeTest, NoiseOffsetIsOneNumberPerChannelOfAClip) {
  const LvdmOptions options = this->options(kBlock, {"diffusion.noise_offset=0.3"});
  LvdmOptions without = options;
  without.diffusion.noise_offset = 0;
  LvdmRecipe mute = silent(options);
  for (std::int64_t step = 0; step < 3; ++step) {
    // It is part of the target too.
    EXPECT_EQ(
        only_match(loss(mute, step), {sample(options, step, 0).v.square().mean().item<double>(),
                                      sample(without, step, 0).v.square().mean().item<double>()}),
        0)
        << step;
  }
}

TEST_F(LvdmRecipeTest, FramesShareNoiseWhereTheOptionsSaySo) {
  LvdmOptions options =
      this->options(kBlock, {"noise_correlation=0.5", "diffusion.noise_offset=0"});
  LvdmRecipe recipe(options, at::kCPU);
  const MicroBatch batch{3, {0}};
  EXPECT_TRUE(at::equal(recipe.load(batch).tensors.at("noise"),
                        ObjectiveDraws(options.diffusion, {}, kSeed)
                            .noise(batch, {kBlock, kChannels, kSide, kSide}, 1, 0.5)));
  recipe.export_model(folder_ / "model", 7);
  EXPECT_EQ(models::ModelDirectory::open(folder_ / "model").info().noise_correlation, 0.5);
}

TEST_F(LvdmRecipeTest, ADroppedClassIsTheNullTokenAndNoClass) {
  const auto rows_that_learn = [this](const std::string& dropout) {
    LvdmRecipe recipe(options(kBlock, {"diffusion.class_dropout=" + dropout}), at::kCPU);
    return class_rows_that_learn(recipe, {0, {0}});
  };
  EXPECT_THAT(rows_that_learn("0"), ElementsAre(true, false, false));
  EXPECT_THAT(rows_that_learn("1"), ElementsAre(false, false, true));
}

}  // namespace
}  // namespace echopath::training
