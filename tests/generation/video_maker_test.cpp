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
  maker.make(plan, folder / "", nullptr, [&](std::int64_t step) { work.push_back(step); });
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
  maker.make(plan, folder / "", nullptr, [&](std::int64_t step) { work.push_back(step); });
  EXPECT_EQ(work, (std::vector<std::int64_t>{1, 1, 6, 6, 6, 6, 6, 6}));
  EXPECT_EQ(maker.work_per_video(), std::accumulate(work.begin(), work.end(), std::int64_t{0}));
}

}  // namespace
}  // namespace echopath::generation
