#include "echopath/generation/block_sampler.hpp"

#include <gtest/gtest.h>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "echopath/diffusion/frame_noise.hpp"
#include "echopath/diffusion/guidance.hpp"
#include "echopath/diffusion/solver.hpp"
#include "echopath/models/heart_cycle.hpp"
#include "echopath/models/padding.hpp"
#include "toy_model.hpp"

namespace echopath::generation {
namespace {

DenoisingOptions two_steps(const std::string& solver = "ddim") {
  DenoisingOptions options;
  options.solver.name = solver;
  options.solver.num_inference_steps = 2;
  options.solver.timestep_spacing = "trailing";
  options.guidance.scale = 2.0;
  return options;
}

BlockSampler sampler(Anchor anchor, const DenoisingOptions& options = two_steps()) {
  return BlockSampler(models::ModelDirectory::open(testing::shared_toy_model()), options, {anchor},
                      at::kCPU);
}

at::Tensor frames(std::int64_t count, std::uint64_t seed = 5) {
  return normal_tensor({count, 4, testing::kToyLatentSize, testing::kToyLatentSize},
                       {seed, Stream::kDataset, 0, 0});
}

at::Tensor distance_to_given(Anchor anchor, const at::Tensor& given) {
  const at::Tensor block = sampler(anchor).sample(given, 0, 1, 1);
  return (block.slice(0, 0, given.size(0)) - given).abs().mean();
}

TEST(VideoLength, CountsRepeatedFramesOnce) {
  EXPECT_EQ(video_length(64, 1, 4), 253);
  EXPECT_EQ(video_length(32, 8, 4), 104);
  EXPECT_EQ(video_length(64, 1, 1), 64);
}

TEST(Anchor, IsParsedByName) {
  EXPECT_EQ(parse_anchor("hard"), Anchor::kHard);
  EXPECT_EQ(parse_anchor("soft"), Anchor::kSoft);
  EXPECT_EQ(parse_anchor("none"), Anchor::kNone);
  EXPECT_THROW(parse_anchor("firm"), UsageError);
}

TEST(BlockSampler, TakesLengthAndContextFromTheModel) {
  const BlockSampler blocks = sampler(Anchor::kHard);
  EXPECT_EQ(blocks.block_length(), 6);
  EXPECT_EQ(blocks.context_frames(), 2);
  const at::Tensor block = blocks.sample(frames(1), 0, 1, 0);
  EXPECT_EQ(block.sizes(), at::IntArrayRef({6, 4, 14, 14}));
}

TEST(BlockSampler, TakesFewerContextFramesButNotMore) {
  const auto model = models::ModelDirectory::open(testing::shared_toy_model());
  const auto with = [&](std::int64_t context) {
    return BlockSampler(model, two_steps(), {Anchor::kHard, context}, at::kCPU).context_frames();
  };
  EXPECT_EQ(with(1), 1);
  EXPECT_EQ(with(2), 2);
  EXPECT_THROW(with(3), UsageError);
  EXPECT_THROW(with(-1), UsageError);
}

TEST(BlockSampler, GivesTwoFramesHoweverManyFadeAndAllOfALongContext) {
  const testing::TemporaryFolder folder;
  const auto fade = [&](std::int64_t context, std::int64_t wanted) {
    testing::ToyModelOptions toy;
    toy.block_length = 10;
    toy.context_frames = context;
    const fs::path model = folder / ("model_" + std::to_string(context));
    testing::write_toy_model(model, toy);
    return BlockSampler(models::ModelDirectory::open(model), two_steps(),
                        {Anchor::kHard, 0, wanted}, at::kCPU)
        .fade_frames();
  };
  EXPECT_EQ(fade(1, 2), 0);
  EXPECT_EQ(fade(2, 2), 0);
  EXPECT_EQ(fade(3, 2), 1);
  EXPECT_EQ(fade(5, 0), 0);
  EXPECT_EQ(fade(5, 2), 2);
  EXPECT_EQ(fade(5, 9), 3);
  EXPECT_EQ(fade(6, 2), 0) << "more than half a block";
}

TEST(BlockSampler, HardAnchorKeepsTheGivenFramesExactly) {
  const at::Tensor given = frames(2);
  const at::Tensor block = sampler(Anchor::kHard).sample(given, 0, 1, 1);
  EXPECT_TRUE(at::equal(block.slice(0, 0, 2), given));
  EXPECT_FALSE(at::equal(block[2], given[1]));
}

TEST(BlockSampler, SoftAnchorStaysNearerThanNone) {
  const at::Tensor given = frames(2);
  const double soft = distance_to_given(Anchor::kSoft, given).item<double>();
  EXPECT_GT(soft, 0.0);
  EXPECT_LT(soft, distance_to_given(Anchor::kNone, given).item<double>());
}

TEST(BlockSampler, PinningReachesTheOtherFrames) {
  const at::Tensor given = frames(1);
  const at::Tensor hard = sampler(Anchor::kHard).sample(given, 0, 1, 1);
  const at::Tensor none = sampler(Anchor::kNone).sample(given, 0, 1, 1);
  EXPECT_FALSE(at::equal(hard.slice(0, 1), none.slice(0, 1)));
}

TEST(BlockSampler, DependsOnSeedBlockClassAndReferenceAlone) {
  const BlockSampler blocks = sampler(Anchor::kHard, two_steps("ddpm"));
  const at::Tensor given = frames(1);
  const at::Tensor block = blocks.sample(given, 0, 1, 0);
  EXPECT_TRUE(at::equal(block, blocks.sample(given, 0, 1, 0)));
  EXPECT_FALSE(at::equal(block, blocks.sample(given, 0, 2, 0)));
  EXPECT_FALSE(at::equal(block, blocks.sample(given, 0, 1, 1)));
  EXPECT_FALSE(at::equal(block, blocks.sample(given, 1, 1, 0)));
  const at::Tensor elsewhere = blocks.sample(frames(1, 6), 0, 1, 0);
  EXPECT_FALSE(at::equal(block.slice(0, 1), elsewhere.slice(0, 1)));
}

TEST(BlockSampler, ReportsEveryStep) {
  int steps = 0;
  sampler(Anchor::kHard).sample(frames(1), 0, 1, 0, [&] { ++steps; });
  EXPECT_EQ(steps, 2);
}

TEST(BlockSampler, EverySolverForThisPredictionWalksABlockAndKeepsTheGivenFrames) {
  const at::Tensor given = frames(2);
  for (const std::string& name : diffusion::solver_names()) {
    if (name == "flow_euler") continue;
    const DenoisingOptions options = two_steps(name);
    int evaluations = 0;
    const at::Tensor block =
        sampler(Anchor::kHard, options).sample(given, 0, 1, 1, [&] { ++evaluations; });
    EXPECT_EQ(evaluations, diffusion::evaluation_count(options.solver)) << name;
    EXPECT_TRUE(at::equal(block.slice(0, 0, 2), given)) << name;
    EXPECT_LE(block.slice(0, 2).abs().max().item<float>(), 4.001F) << name << " is not clipped";
  }
}

/// A block without an anchor in the plainest words: everything is computed at every step.
/// `phase` [n, K, h, w] stands behind the reference: K = 0 for a network without it. `held` is what
/// the reference shows behind the given frames.
at::Tensor plain_block(const fs::path& path, const at::Tensor& given, std::int64_t label,
                       const DenoisingOptions& options, const at::Tensor& phase,
                       const at::Tensor& held) {
  const torch::NoGradGuard no_grad;
  const auto model = models::ModelDirectory::open(path);
  auto network = model.load_lvdm(at::kCPU);
  auto embedding = model.load_class_embedding("lvdm", at::kCPU);
  const at::Tensor reference =
      at::cat({given, held.expand({6 - given.size(0), -1, -1, -1})}).unsqueeze(0);
  const diffusion::NoiseSchedule schedule(model.schedule());
  const auto solver = diffusion::make_solver(schedule, options.solver);
  at::Tensor x =
      diffusion::frame_noise(reference.sizes(), model.info().noise_correlation,
                             {1, Stream::kInitialNoise, 1, 0}, {1, Stream::kSharedNoise, 0, 0}) *
      solver->initial_scale();
  for (std::size_t i = 0; i < solver->timesteps().size(); ++i) {
    const double t = solver->timesteps()[i];
    const auto predict = [&](diffusion::Conditions with) {
      const at::Tensor frames = with.frame ? reference : at::zeros_like(reference);
      const auto padded = models::pad_latents(
          at::cat({solver->scale_model_input(x, i), frames, phase.unsqueeze(0)}, 2));
      const at::Tensor token = at::full({1}, with.label ? label : 2, at::kLong);
      const at::Tensor fps = at::full({1, 1}, model.info().fps);
      return models::unpad_latents(
          network->forward(padded.latents, at::full({1}, t), embedding->forward(token), fps),
          padded);
    };
    const at::Tensor output = diffusion::guided_prediction(predict, options.guidance, t / 1000.0);
    x = solver->step(output, i, x, [] { return at::Tensor(); });
  }
  return x.squeeze(0);
}

at::Tensor no_phase() {
  return at::zeros({6, 0, 14, 14});
}

TEST(BlockSampler, WhatItPreparesOnceIsWhatThePlainNetworkComputesAtEveryStep) {
  const at::Tensor given = frames(2);
  for (const char* solver : {"ddim", "heun"}) {  // heun comes to each timestep twice
    DenoisingOptions options = two_steps(solver);
    options.guidance.frame_scale = 1.5;  // a branch without the reference too
    const BlockSampler blocks = sampler(Anchor::kNone, options);
    blocks.sample(frames(1), 0, 5, 0);  // another block and class before
    const at::Tensor expected =
        plain_block(testing::shared_toy_model(), given, 1, options, no_phase(), given[1]);
    const double error = (blocks.sample(given, 1, 1, 1) - expected).abs().max().item<double>();
    // Rounding in conv_in, amplified by guidance; one wrong condition changes a tenth.
    EXPECT_LE(error, 5e-5 * expected.abs().max().item<double>()) << solver;
  }
}

TEST(BlockSampler, TheHeartsCycleReachesTheNetworkAsThePhaseOfEveryFrame) {
  const testing::TemporaryFolder folder;
  testing::ToyModelOptions toy;
  toy.heart_cycle = true;
  testing::write_toy_model(folder / "model", toy);
  DenoisingOptions options = two_steps();
  options.guidance.frame_scale = 1.5;  // a branch without the reference, with the phase
  const BlockSampler blocks(models::ModelDirectory::open(folder / "model"), options,
                            {Anchor::kNone}, at::kCPU);
  const at::Tensor given = frames(2);
  using Cycle = std::optional<models::HeartCycle>;
  const auto sampled = [&](const Cycle& cycle) {
    return blocks.sample({BlockStart{given, 1, 1, cycle}}, 1).front();
  };
  for (const Cycle& cycle : {Cycle({90.0, 0.3}), Cycle()}) {
    const at::Tensor expected = plain_block(folder / "model", given, 1, options,
                                            models::heart_phase(cycle, 32.0, 6, 14, 14), given[1]);
    EXPECT_LE((sampled(cycle) - expected).abs().max().item<double>(),
              5e-5 * expected.abs().max().item<double>());
  }
  EXPECT_GT((sampled(Cycle({90.0, 0.3})) - sampled(Cycle({90.0, 0.0}))).abs().max().item<double>(),
            1e-2);
}

TEST(BlockSampler, TheHeartFrameIsHeldWhereTheModelWasTrainedSo) {
  const testing::TemporaryFolder folder;
  const DenoisingOptions options = two_steps();
  const at::Tensor given = frames(2), heart = frames(1, 8)[0];
  for (const char* held_frame : {"last_given", "heart_frame"}) {
    testing::ToyModelOptions toy;
    toy.held_frame = held_frame;
    const fs::path path = folder / held_frame;
    testing::write_toy_model(path, toy);
    const BlockSampler blocks(models::ModelDirectory::open(path), options, {Anchor::kNone},
                              at::kCPU);
    const at::Tensor held = toy.held_frame == "heart_frame" ? heart : given[1];
    const at::Tensor expected = plain_block(path, given, 1, options, no_phase(), held);
    const at::Tensor block = blocks.sample({BlockStart{given, 1, 1, {}, heart}}, 1).front();
    EXPECT_LE((block - expected).abs().max().item<double>(),
              5e-5 * expected.abs().max().item<double>())
        << held_frame;
  }
}

TEST(BlockSampler, AllBlocksOfAVideoShareThePartOfTheNoiseThatFramesHaveInCommon) {
  const testing::TemporaryFolder folder;
  testing::ToyModelOptions toy;
  toy.noise_correlation = 0.5;
  testing::write_toy_model(folder / "model", toy);
  const DenoisingOptions options = two_steps();
  const BlockSampler blocks(models::ModelDirectory::open(folder / "model"), options,
                            {Anchor::kNone}, at::kCPU);
  const at::Tensor given = frames(2);
  // plain_block() is block 1 of seed 1; what its frames share is drawn for no block.
  const at::Tensor expected =
      plain_block(folder / "model", given, 1, options, no_phase(), given[1]);
  EXPECT_LE((blocks.sample(given, 1, 1, 1) - expected).abs().max().item<double>(),
            5e-5 * expected.abs().max().item<double>());
}

TEST(BlockSampler, RefusesAModelWithOtherLatents) {
  const testing::TemporaryFolder folder;
  testing::write_toy_model(folder / "model");
  models::update_model_info(folder / "model", [](models::ModelInfo& info) {
    info.latent_shape = {8, 14, 14};
  });
  const auto model = models::ModelDirectory::open(folder / "model");
  EXPECT_THROW(BlockSampler(model, two_steps(), {Anchor::kHard}, at::kCPU), DataError);
}

TEST(BlockSampler, VideosOfOneBatchAgreeWithSingleOnes) {
  const BlockSampler blocks = sampler(Anchor::kHard, two_steps("ddpm"));
  const std::vector<BlockStart> videos = {
      {frames(2, 1), 0, 10}, {frames(2, 2), 1, 11}, {frames(2, 3), 1, 12}};
  const std::vector<at::Tensor> together = blocks.sample(videos, 3);
  ASSERT_EQ(together.size(), 3U);
  for (std::size_t i = 0; i < videos.size(); ++i) {
    const at::Tensor alone = blocks.sample(videos[i].given, videos[i].label, videos[i].seed, 3);
    EXPECT_LT((together[i] - alone).abs().max().item<double>(), 1e-3) << i;
    EXPECT_TRUE(at::equal(blocks.sample({videos[i]}, 3).front(), alone)) << i;
  }
  EXPECT_GT((together[1] - together[2]).abs().max().item<double>(), 0.1) << "seeds differ";
}

TEST(BlockSampler, InBfloat16ABlockIsNearlyTheSame) {
  const at::Tensor given = frames(2);
  const at::Tensor exact = sampler(Anchor::kHard).sample(given, 1, 1, 1);
  DenoisingOptions options = two_steps();
  options.precision = "bf16";
  const at::Tensor half = sampler(Anchor::kHard, options).sample(given, 1, 1, 1);
  EXPECT_EQ(half.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(half.slice(0, 0, 2), given)) << "given frames are not rounded";
  const double difference = ((half - exact).norm() / exact.norm()).item<double>();
  EXPECT_GT(difference, 1e-5) << "it was float32";
  EXPECT_LT(difference, 0.05);
}

}  // namespace
}  // namespace echopath::generation
