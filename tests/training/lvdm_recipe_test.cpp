#include "training/lvdm_recipe.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/models/model_directory.hpp"
#include "training/heart_cycles.hpp"
#include "training/loss_of.hpp"
#include "training/made_latents.hpp"

namespace echopath::training {
namespace {

using ::testing::ElementsAre;

constexpr std::int64_t kBlock = 8;
constexpr std::int64_t kChannels = 4;
constexpr std::int64_t kSide = 6;  // padded to 8, one on each side
constexpr std::uint64_t kSeed = 42;

/// What one item of a batch is trained on.
struct Sample {
  at::Tensor x0;     ///< [kBlock, C, H, W]
  at::Tensor noise;  ///< the same
  at::Tensor v;      ///< the same: √ᾱ ε − √(1 − ᾱ) x0
  at::Tensor noisy;  ///< the same
  at::Tensor timestep;
};

class LvdmRecipeTest : public MadeLatents {
 protected:
  /// One training video of so many frames, one clip a step, no class dropped.
  LvdmOptions options(std::int64_t frames, std::vector<std::string> overrides = {}) {
    video_ = made_video(0, "TRAIN", frames, kSide);
    write({video_});
    overrides.insert(overrides.begin(),
                     {"data.latents=" + latents().string(), "compatibility.posterior=mean",
                      "training.batch_size=1", "diffusion.class_dropout=0"});
    return toy_options<LvdmOptions>("lvdm", overrides);
  }

  /// The clip from `start`, zero behind the video's end, as step `step` noises it.
  Sample sample(const LvdmOptions& options, std::int64_t step, std::int64_t start) const {
    const auto index = static_cast<std::uint32_t>(step);
    Sample sample;
    sample.x0 = at::zeros({kBlock, kChannels, kSide, kSide});
    const at::Tensor clip = kMadeScale * video_.mean.slice(0, start, start + kBlock);
    sample.x0.slice(0, 0, clip.size(0)).copy_(clip);
    sample.noise = normal_tensor(sample.x0.sizes(), {kSeed, Stream::kTrainingNoise, index, 0}) +
                   options.diffusion.noise_offset *
                       normal_tensor({1, kChannels, 1, 1}, {kSeed, Stream::kNoiseOffset, index, 0});
    sample.timestep = ObjectiveDraws(options.diffusion, {}, kSeed).timesteps({step, {0}});
    const auto [signal, noise] = signal_and_noise(sample.timestep.item<std::int64_t>());
    sample.v = signal * sample.noise - noise * sample.x0;
    sample.noisy = signal * sample.x0 + noise * sample.noise;
    return sample;
  }

  /// Where the clip of this step starts. A silent network's loss is that of the target alone.
  std::int64_t start_of(const LvdmOptions& options, LvdmRecipe& silent, std::int64_t step) const {
    std::vector<double> candidates;
    for (std::int64_t start = 0; start <= video_.mean.size(0) - kBlock; ++start) {
      candidates.push_back(sample(options, step, start).v.square().mean().item<double>());
    }
    return only_match(loss(silent, step), candidates);
  }

  /// The loss where the network is given these frames, [c, C, H, W].
  static double expected_loss(LvdmRecipe& recipe, const Sample& sample, const at::Tensor& given,
                              std::int64_t label) {
    torch::NoGradGuard no_grad;
    const auto network = module_of<models::UNetSpatioTemporalConditionModelImpl>(recipe, "lvdm");
    const auto embedding = module_of<models::ClassEmbeddingImpl>(recipe, "class_embedding");
    std::vector<at::Tensor> reference = given.unbind();
    while (static_cast<std::int64_t>(reference.size()) < kBlock) {
      reference.push_back(reference.back());
    }
    const at::Tensor input =
        at::replication_pad2d(at::cat({sample.noisy, at::stack(reference)}, 1), {1, 1, 1, 1});
    const at::Tensor output = network->forward(
        input.unsqueeze(0), sample.timestep, embedding->forward(at::tensor({label}, at::kLong)),
        at::full({1, network->config().added_time_id_count()}, 32.0))[0];
    return (output.slice(2, 1, kSide + 1).slice(3, 1, kSide + 1) - sample.v)
        .square()
        .mean()
        .item<double>();
  }

  static double loss(LvdmRecipe& recipe, std::int64_t step) {
    torch::NoGradGuard no_grad;
    Figures figures;
    return loss_of(recipe, 0, {step, {0}}, figures).item<double>();
  }

  static LvdmRecipe silent(const LvdmOptions& options) {
    LvdmRecipe recipe(options, at::kCPU);
    silence(recipe);
    return recipe;
  }

  at::Tensor scaled() const { return kMadeScale * video_.mean; }

  /// Over six steps, what the network is shown is given(the clip's first frame, another frame), and
  /// the other one comes from all over the video, outside the clip too.
  template <class Given>
  void expect_any_frame(const LvdmOptions& options, const Given& given) {
    LvdmRecipe mute = silent(options), recipe(options, at::kCPU);
    const std::int64_t frames = video_.mean.size(0);
    std::set<std::int64_t> found;
    int outside = 0;
    for (std::int64_t step = 0; step < 6; ++step) {
      const std::int64_t start = start_of(options, mute, step);
      const Sample drawn = sample(options, step, start);
      const at::Tensor first = scaled().slice(0, start, start + 1);
      std::vector<double> candidates;
      for (std::int64_t frame = 0; frame < frames; ++frame) {
        const at::Tensor other = scaled().slice(0, frame, frame + 1);
        candidates.push_back(expected_loss(recipe, drawn, given(first, other), 0));
      }
      const std::int64_t frame = only_match(loss(recipe, step), candidates);
      ASSERT_GE(frame, 0) << step;
      found.insert(frame);
      if (frame < start || frame >= start + kBlock) ++outside;
    }
    EXPECT_GT(found.size(), 3U);
    EXPECT_GT(outside, 0);
  }

  MadeVideo video_;
};

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

TEST_F(LvdmRecipeTest, AHeldHeartFrameIsAnyFrameOfTheVideoWhereTheWindowIsOpen) {
  expect_any_frame(this->options(14, {"context_frames=1", "held_frame=heart_frame"}),
                   [](const at::Tensor& first, const at::Tensor& frame) {
                     return at::cat({first, frame});
                   });
}

TEST_F(LvdmRecipeTest, HeldHeartFramesAreOfTheMomentAtWhichHeartsMoveLeast) {
  write({beating_video(0, "TRAIN", 24.0, 6.0, kSide)});
  const LvdmOptions options = toy_options<LvdmOptions>(
      "lvdm",
      {"data.latents=" + latents().string(), "compatibility.posterior=mean", "context_frames=3",
       "held_frame=heart_frame", "heart_phase_window=0.1", "training.batch_size=16"});
  LvdmRecipe recipe(options, at::kCPU);
  const LatentSource source(options.data, options.compatibility);
  const LatentItem& video = source.train().at(0);
  const std::vector<std::int64_t> still =
      HeartCycles(source, options.data).still_frames(video, 0.1);
  ASSERT_LT(still.size(), video.frames.size() / 4);
  const at::Tensor clean = source.frames(video, 0, 96, {});
  MicroBatch whole{0, {}};
  for (std::int64_t i = 0; i < 16; ++i) whole.positions.push_back(i);
  const at::Tensor given = recipe.load(whole).tensors.at("given");
  std::set<std::int64_t> held;
  for (std::int64_t i = 0; i < 16; ++i) {
    const at::Tensor away = (clean - given[i][kBlock - 1]).abs().flatten(1).amax(1);
    EXPECT_EQ(away.min().item<double>(), 0.0);
    held.insert(away.argmin().item<std::int64_t>());
    EXPECT_TRUE(at::equal(given[i][kBlock - 1], given[i][3])) << "held behind the given frames";
  }
  EXPECT_GT(held.size(), 3U);
  for (const std::int64_t frame : held) EXPECT_THAT(still, ::testing::Contains(frame));

  recipe.export_model(folder_ / "model", 7);
  EXPECT_EQ(models::ModelDirectory::open(folder_ / "model").info().held_frame, "heart_frame");
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

/// What asks for the heart's cycle.
const std::vector<std::string> kWithCycle = {"heart_cycle_conditioning=true",
                                             "model.in_channels=10", "heart_cycle_dropout=0"};

TEST_F(LvdmRecipeTest, ThePhaseOfEachFrameFollowsTheReference) {
  write({beating_video(0, "TRAIN", 24.0, 6.0, kSide), beating_video(1, "TRAIN", 30.0, 0.0, kSide),
         beating_video(2, "TRAIN", 27.0, 11.0, kSide), made_video(3, "TRAIN", 96, kSide)});
  std::vector<std::string> overrides = {"data.latents=" + latents().string(),
                                        "compatibility.posterior=mean", "context_frames=1",
                                        "training.batch_size=4"};
  overrides.insert(overrides.end(), kWithCycle.begin(), kWithCycle.end());
  const LvdmOptions options = toy_options<LvdmOptions>("lvdm", overrides);
  LvdmRecipe recipe(options, at::kCPU);
  const LatentSource source(options.data, options.compatibility);
  const HeartCycles cycles(source, options.data);
  const Batch batch = recipe.load({0, {0, 1, 2, 3}});
  const at::Tensor given = batch.tensors.at("given");
  ASSERT_EQ(given.sizes(), at::IntArrayRef({4, kBlock, kChannels + 2, kSide, kSide}));
  for (std::int64_t i = 0; i < 4; ++i) {
    const std::string& name = batch.items[static_cast<std::size_t>(i)];
    const auto item = std::find_if(source.train().begin(), source.train().end(),
                                   [&](const auto& each) { return each.study.file_name == name; });
    const at::Tensor clean = source.frames(*item, 0, 96, {});
    std::optional<models::HeartCycle> cycle = cycles.of(*item);
    ASSERT_EQ(cycle.has_value(), name != "video_3.avi");
    if (cycle) {
      // Where the clip starts is where its first frame, the reference, lies in the video.
      const at::Tensor away = (clean - given[i][0].slice(0, 0, kChannels)).abs().flatten(1).amax(1);
      cycle = cycle->after(static_cast<double>(away.argmin().item<std::int64_t>()) / 32.0);
    }
    const at::Tensor expected = models::heart_phase(cycle, 32.0, kBlock, kSide, kSide);
    EXPECT_TRUE(at::allclose(given[i].slice(1, kChannels), expected, 0.0, 1e-5)) << name;
  }

  recipe.export_model(folder_ / "model", 7);
  const auto model = models::ModelDirectory::open(folder_ / "model");
  const auto rates =
      models::HeartRates::from_json(model.info().trained_on.at("lvdm").at("heart_rates"), "model");
  EXPECT_NEAR(rates.at("ASD", 0.5).value(), 75.6, 1.0);  // of 80 and 71.1
  EXPECT_NEAR(rates.at("Non-ASD", 0.5).value(), 64.0, 1.0);
}

TEST_F(LvdmRecipeTest, TheCycleIsDroppedByItemAndIndependentlyOfTheReference) {
  write({beating_video(0, "TRAIN", 24.0, 6.0, kSide)});
  std::vector<std::string> overrides = {"data.latents=" + latents().string(),
                                        "training.batch_size=16", "reference_dropout=0.5"};
  overrides.insert(overrides.end(), kWithCycle.begin(), kWithCycle.end());
  overrides.back() = "heart_cycle_dropout=0.5";
  const LvdmRecipe recipe(toy_options<LvdmOptions>("lvdm", overrides), at::kCPU);
  MicroBatch whole{3, {}};
  for (std::int64_t i = 0; i < 16; ++i) whole.positions.push_back(i);
  const at::Tensor given = recipe.load(whole).tensors.at("given");
  const auto dropped = [](const at::Tensor& channels) {
    return channels.flatten(1).abs().amax(1) == 0;
  };
  const at::Tensor reference = dropped(given.slice(2, 0, kChannels));
  const at::Tensor phase = dropped(given.slice(2, kChannels));
  EXPECT_GT(phase.sum().item<std::int64_t>(), 2);
  EXPECT_LT(phase.sum().item<std::int64_t>(), 14);
  EXPECT_FALSE(at::equal(reference, phase));
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
