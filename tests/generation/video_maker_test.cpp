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
  testing::write_toy_model(folder / "model", toy);
  const auto model = models::ModelDirectory::open(folder / "model");
  for (const auto& [context, fade] :
       {std::pair<std::int64_t, std::int64_t>{2, 0}, {2, 1}, {1, 0}}) {
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
      BlockStart start{before.slice(0, 6 - context, 6 - fade), 0, 0};
      start.cycle = plan.cycle->after(static_cast<double>(k * (6 - context)) / 32.0);
      start.heart = trace.at("ASD_000000/block_0000")[0];
      EXPECT_TRUE(at::allclose(blocks.sample({start}, k).front(),
                               trace.at("ASD_000000/block_000" + std::to_string(k)), 0.0, 1e-5))
          << k;
    }
  }
}

// The toy model repeats two frames of six: one is given, the other fades.
TEST(VideoMaker, BlocksFadeIntoEachOtherOverTheFramesThatBothOfThemDrew) {
  const TemporaryFolder folder;
  const auto model = models::ModelDirectory::open(shared_toy_model());
  SampleOptions options;
  options.guidance.scale = 1.0;
  options.blocks = 3;
  options.solver.num_inference_steps = 2;
  options.also = {"latents"};
  VideoPlan plan;
  plan.class_name = "ASD";
  plan.stem = "ASD_000000";
  const auto latents = [&](const std::string& out, io::TensorMap& trace) {
    const VideoMaker maker(model, options, at::kCPU, {});
    const ManifestEntry entry = maker.make({plan}, folder / out, &trace, [](std::int64_t) {})[0];
    EXPECT_EQ(entry.frames, 14);
    EXPECT_EQ(entry.context_frames, 2);
    EXPECT_EQ(entry.seam_fade, std::min<std::int64_t>(options.seam_fade, 1));
    const io::SafetensorsFile file(folder / out / "Latents/ASD_000000.safetensors");
    return file.tensor("mean").to(at::kFloat) * model.info().latent_scaling_factor;
  };
  io::TensorMap trace;
  const at::Tensor faded = latents("faded", trace);
  const at::Tensor a = trace.at("ASD_000000/block_0000"), b = trace.at("ASD_000000/block_0001"),
                   c = trace.at("ASD_000000/block_0002");
  EXPECT_TRUE(at::equal(b[0], a[4])) << "the given frame is pinned";
  EXPECT_FALSE(at::allclose(b[1], a[5], 0.0, 1e-2)) << "the next one is the block's own";
  const at::Tensor expected =
      at::cat({a.slice(0, 0, 5), ((a[5] + b[1]) / 2).unsqueeze(0), b.slice(0, 2, 5),
               ((b[5] + c[1]) / 2).unsqueeze(0), c.slice(0, 2)});
  EXPECT_TRUE(at::allclose(faded, expected, 0.0, 1e-2));
  // Without it, both repeated frames are given, and the video has them as they were.
  options.seam_fade = 0;
  trace.clear();
  const at::Tensor plain = latents("plain", trace);
  const at::Tensor next = trace.at("ASD_000000/block_0001");
  EXPECT_TRUE(at::equal(next.slice(0, 0, 2), a.slice(0, 4)));
  EXPECT_TRUE(at::allclose(plain.slice(0, 0, 10), at::cat({a, next.slice(0, 2)}), 0.0, 1e-2));
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
  EXPECT_EQ(sizes[1] - sizes[0], 5 * frame) << "the last one waits for the next block's";
  EXPECT_EQ(sizes[2] - sizes[1], 4 * frame);
  EXPECT_EQ(sizes[3] - sizes[2], 4 * frame);
}

}  // namespace
}  // namespace echopath::generation
