#include "generation/video_maker.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "toy_model.hpp"

namespace echopath::generation {
namespace {

using testing::shared_toy_model;
using testing::TemporaryFolder;

TEST(VideoMaker, StepsCountByTheFramesTheyRunOn) {
  const TemporaryFolder folder;
  SampleOptions options;
  options.guidance.scale = 1.0;
  options.blocks = 2;
  options.solver.num_inference_steps = 3;
  const VideoMaker maker(models::ModelDirectory::open(shared_toy_model()), options, at::kCPU, {});
  VideoPlan plan;
  plan.class_name = "ASD";
  plan.stem = "ASD_000000";
  std::vector<std::int64_t> work;
  maker.make({plan}, folder / "", nullptr, [&](std::int64_t step) { work.push_back(step); });
  // Three steps of the heart frame, three of each block of six frames.
  EXPECT_EQ(work, (std::vector<std::int64_t>{1, 1, 1, 6, 6, 6, 6, 6, 6}));
  EXPECT_EQ(maker.work_per_video(), std::accumulate(work.begin(), work.end(), std::int64_t{0}));
}

TEST(VideoMaker, WindowsOfAStitchedVideoCountAsBlocks) {
  const TemporaryFolder folder;
  SampleOptions options;
  options.guidance.scale = 1.0;
  options.sampler = "stitched";
  options.blocks = 3;
  options.solver.num_inference_steps = 2;
  const VideoMaker maker(models::ModelDirectory::open(shared_toy_model()), options, at::kCPU, {});
  VideoPlan plan;
  plan.class_name = "ASD";
  plan.stem = "ASD_000000";
  plan.window_labels = {0, 0, 0};
  std::vector<std::int64_t> work;
  maker.make({plan}, folder / "", nullptr, [&](std::int64_t step) { work.push_back(step); });
  EXPECT_EQ(work, (std::vector<std::int64_t>{1, 1, 6, 6, 6, 6, 6, 6}));
  EXPECT_EQ(maker.work_per_video(), std::accumulate(work.begin(), work.end(), std::int64_t{0}));
}

TEST(VideoMaker, TheHeartsCycleAndItsFirstFrameGoOnFromBlockToBlock) {
  const TemporaryFolder folder;
  testing::ToyModelOptions toy;
  toy.heart_cycle = true;
  toy.held_frame = "heart_frame";
  toy.block_length = 8;
  toy.context_frames = 4;
  testing::write_toy_model(folder / "model", toy);
  const auto model = models::ModelDirectory::open(folder / "model");
  for (const auto& [context, fade] :
       {std::pair<std::int64_t, std::int64_t>{4, 0}, {4, 2}, {1, 0}}) {
    SampleOptions options;
    options.guidance.scale = 1.0;
    options.blocks = 3;
    options.context_frames = context;
    options.seam_fade = fade;
    options.solver.num_inference_steps = 2;
    const VideoMaker maker(model, options, at::kCPU, {});
    VideoPlan plan;
    plan.class_name = "ASD";
    plan.stem = "ASD_000000";
    plan.cycle = models::HeartCycle{75.0, 0.2};
    io::TensorMap trace;
    const auto entries = maker.make({plan}, folder / "out", &trace, [](std::int64_t) {});
    EXPECT_EQ(entries.at(0).heart_rate, 75.0);
    const BlockSampler blocks(model, {options.solver, options.guidance}, {Anchor::kHard, context},
                              at::kCPU);
    for (std::uint32_t k = 1; k < 3; ++k) {
      const at::Tensor before = trace.at("ASD_000000/block_000" + std::to_string(k - 1));
      BlockStart start{before.slice(0, 8 - context, 8 - fade), 0, 0};
      start.cycle = plan.cycle->after(static_cast<double>(k * (8 - context)) / 32.0);
      start.heart = trace.at("ASD_000000/block_0000")[0];
      EXPECT_TRUE(at::allclose(blocks.sample({start}, k).front(),
                               trace.at("ASD_000000/block_000" + std::to_string(k)), 0.0, 1e-5))
          << k;
    }
  }
}

/// Videos of three blocks of eight frames that repeat four, two of them given; and their blocks.
class VideoMakerFade : public ::testing::Test {
 protected:
  VideoMakerFade() {
    testing::ToyModelOptions toy;
    toy.block_length = 8;
    toy.context_frames = 4;
    testing::write_toy_model(folder_ / "model", toy);
    options_.guidance.scale = 1.0;
    options_.blocks = 3;
    options_.solver.num_inference_steps = 2;
    options_.also = {"latents"};
  }

  /// Scaled latents of the last of so many videos that are made together.
  at::Tensor latents(std::int64_t videos) {
    const auto model = models::ModelDirectory::open(folder_ / "model");
    const VideoMaker maker(model, options_, at::kCPU, {});
    std::vector<VideoPlan> plans;
    for (std::int64_t i = videos - 1; i >= 0; --i) {
      VideoPlan plan;
      plan.class_name = "ASD";
      plan.seed = static_cast<std::uint64_t>(i);
      plan.stem = "ASD_00000" + std::to_string(i);
      plans.push_back(plan);
    }
    const fs::path out = folder_ / std::to_string(++runs_);
    trace_.clear();
    entry_ = maker.make(plans, out, &trace_, [](std::int64_t) {}).back();
    const io::SafetensorsFile file(out / "Latents/ASD_000000.safetensors");
    return file.tensor("mean").to(at::kFloat) * model.info().latent_scaling_factor;
  }
  at::Tensor block(int k) const { return trace_.at("ASD_000000/block_000" + std::to_string(k)); }

  TemporaryFolder folder_;
  SampleOptions options_;
  io::TensorMap trace_;
  ManifestEntry entry_;
  int runs_ = 0;
};

TEST_F(VideoMakerFade, IsOverTheFramesThatBothBlocksDrew) {
  const at::Tensor video = latents(1);
  EXPECT_EQ(entry_.frames, 16);
  EXPECT_EQ(entry_.context_frames, 4);
  EXPECT_EQ(entry_.seam_fade, 2);
  std::vector<at::Tensor> expected = {block(0).slice(0, 0, 6)};
  for (int k = 1; k < 3; ++k) {
    const at::Tensor before = block(k - 1), after = block(k);
    EXPECT_TRUE(at::equal(after.slice(0, 0, 2), before.slice(0, 4, 6))) << "given, and pinned";
    EXPECT_FALSE(at::allclose(after[2], before[6], 0.0, 1e-2)) << "its own";
    expected.push_back(((2 * before[6] + after[2]) / 3).unsqueeze(0));
    expected.push_back(((before[7] + 2 * after[3]) / 3).unsqueeze(0));
    expected.push_back(after.slice(0, 4, k == 1 ? 6 : 8));
  }
  EXPECT_TRUE(at::allclose(video, at::cat(expected), 0.0, 1e-2));
  // The same where videos are made together, each with its own blocks.
  EXPECT_TRUE(at::allclose(latents(3), video, 0.0, 1e-2));
}

TEST_F(VideoMakerFade, OfNoFramesGivesAllAndCuts) {
  options_.seam_fade = 0;
  const at::Tensor video = latents(1);
  EXPECT_EQ(entry_.seam_fade, 0);
  EXPECT_TRUE(at::equal(block(1).slice(0, 0, 4), block(0).slice(0, 4)));
  EXPECT_TRUE(at::allclose(video, at::cat({block(0), block(1).slice(0, 4), block(2).slice(0, 4)}),
                           0.0, 1e-2));
}

TEST_F(VideoMakerFade, OfOneBlockThereIsNone) {
  options_.blocks = 1;
  const at::Tensor video = latents(1);
  EXPECT_TRUE(at::allclose(video, block(0), 0.0, 1e-2));
}

TEST_F(VideoMakerFade, GoesWithEveryAnchor) {
  for (const char* anchor : {"soft", "none"}) {
    options_.anchor = anchor;
    const at::Tensor video = latents(1);
    EXPECT_EQ(video.size(0), 16);
    EXPECT_TRUE(at::allclose(video[6], (2 * block(0)[6] + block(1)[2]) / 3, 0.0, 1e-2)) << anchor;
  }
}

/// The length of the uncompressed file that is being written under a temporary name.
std::uintmax_t written(const fs::path& directory) {
  for (const auto& item : fs::directory_iterator(directory / "DICOM")) {
    return fs::file_size(item.path());
  }
  return 0;
}

// Memory does not grow with the number of blocks: each is on its way to the disk before the next
// one is drawn.
TEST(VideoMaker, WritesEachBlockBeforeTheNextOneIsDrawn) {
  const TemporaryFolder folder;
  SampleOptions options;
  options.guidance.scale = 1.0;
  options.blocks = 4;
  options.solver.num_inference_steps = 1;
  options.also = {"dicom"};
  const VideoMaker maker(models::ModelDirectory::open(shared_toy_model()), options, at::kCPU, {});
  VideoPlan plan;
  plan.class_name = "ASD";
  plan.stem = "ASD_000000";
  std::vector<std::uintmax_t> sizes;
  maker.make({plan}, folder / "", nullptr, [&](std::int64_t frames) {
    if (frames == 6) sizes.push_back(written(folder / ""));  // after each block's only step
  });
  ASSERT_EQ(sizes.size(), 4U);
  const auto frame = static_cast<std::uintmax_t>(testing::kToyImageSize * testing::kToyImageSize);
  EXPECT_EQ(sizes[1] - sizes[0], 6 * frame);
  EXPECT_EQ(sizes[2] - sizes[1], 4 * frame);
  EXPECT_EQ(sizes[3] - sizes[2], 4 * frame);
}

}  // namespace
}  // namespace echopath::generation
