// What an LVDM is told of the heart: a heart frame that is held, and the cycle.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "echopath/models/model_directory.hpp"
#include "training/heart_cycles.hpp"
#include "training/lvdm_recipe_support.hpp"

namespace echopath::training {
namespace {

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

}  // namespace
}  // namespace echopath::training
