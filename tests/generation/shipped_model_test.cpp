// The demo model: in one step, with every solver that its schedule allows, and several videos at
// once.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "echopath/data/latent_dataset.hpp"
#include "echopath/diffusion/solver.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/io/video.hpp"
#include "sample_support.hpp"

namespace echopath::generation {
namespace {

using testing::TemporaryFolder;

/// One video of ASD with the default settings.
SampleOptions shipped_options(const fs::path& out) {
  SampleOptions options;
  options.model = std::string(ECHOPATH_SOURCE_DIR) + "/models/phantom";
  options.out = out.string();
  options.classes = {"ASD"};
  options.seed = 4;
  options.allow_unfiltered = true;
  options.device = "cpu";
  return options;
}

double mean_of(const std::uint8_t* first, const std::uint8_t* last) {
  return std::accumulate(first, last, 0.0) / static_cast<double>(last - first);
}

double mean_of(const io::Frames& frames) {
  return mean_of(frames.frame(0), frames.frame(frames.count));
}

/// Mean grey level of one block of the demo model.
double brightness(const TemporaryFolder& folder, const std::string& solver, std::int64_t steps) {
  SampleOptions options = shipped_options(folder / (solver + std::to_string(steps)));
  options.blocks = 1;
  options.solver.name = solver;
  options.solver.num_inference_steps = steps;
  return mean_of(io::read_video(run_sampling(options).videos.at(0)));
}

/// Mean grey levels of the first 150 videos of ASD that the model was trained on (600 patients,
/// seed 7), of every 16th frame: hearts differ in brightness by 21 % (one deviation).
constexpr double kDarkest = 15.2;
constexpr double kBrightest = 47.7;

/// The standard deviation of a frame's grey levels.
double contrast(const io::Frames& frames, std::int64_t number) {
  const std::uint8_t* first = frames.frame(number);
  const std::uint8_t* last = frames.frame(number + 1);
  const double mean = mean_of(first, last);
  const double squares = std::accumulate(
      first, last, 0.0, [&](double sum, std::uint8_t x) { return sum + (x - mean) * (x - mean); });
  return std::sqrt(squares / static_cast<double>(last - first));
}

TEST(SampleShippedModel, MakesABlockOfAMovingHeartInOneStep) {
  const TemporaryFolder folder;
  SampleOptions options = shipped_options(folder / "out");
  options.blocks = 1;
  options.solver.num_inference_steps = 1;
  options.max_redraws = 0;  // hearts of one step may all be refused
  options.also = {"latents"};
  const SampleSummary summary = run_sampling(options);
  EXPECT_EQ(summary.made, 1);
  for (const char* file : {"manifest.jsonl", "config.json", "FileList.csv", "index.html",
                           "contact_sheet.png", "Latents/ASD_000004.safetensors"}) {
    EXPECT_TRUE(fs::is_regular_file(folder / "out" / file)) << file;
  }
  EXPECT_TRUE(read_manifest(folder / "out/manifest.jsonl").at(0).privacy_score.has_value());

  const io::Frames frames = io::read_video(summary.videos.at(0));
  ASSERT_EQ(frames.count, 64);
  ASSERT_EQ(frames.height, 112);
  ASSERT_EQ(frames.width, 112);
  EXPECT_NEAR(frames.fps, 32.0, 1e-6);
  EXPECT_GT(mean_of(frames), kDarkest);
  EXPECT_LT(mean_of(frames), kBrightest);
  for (std::int64_t t = 0; t < frames.count; ++t) EXPECT_GT(contrast(frames, t), 20.0) << t;

  const data::LatentDataset latents = data::LatentDataset::open(folder / "out");
  const at::Tensor mean = latents.load(latents.studies().at(0)).mean;
  ASSERT_EQ(mean.sizes(), at::IntArrayRef({64, 4, 14, 14}));
  EXPECT_TRUE(at::isfinite(mean).all().item<bool>());
  EXPECT_GT((mean[32] - mean[0]).abs().mean().item<double>(), 0.01) << "nothing moves";
}

TEST(SampleShippedModelSlow, EverySolverMakesAPictureAsBrightAsHeartsAre) {
  const TemporaryFolder folder;
  const double reference = brightness(folder, "ddim", 50);
  EXPECT_GT(reference, kDarkest);
  EXPECT_LT(reference, kBrightest);
  for (const std::string& solver : diffusion::solver_names()) {
    if (solver == "flow_euler") continue;  // for models of flow
    for (const std::int64_t steps : {4, 50}) {
      if (solver == "ddim" && steps == 50) continue;  // the reference itself
      const double found = brightness(folder, solver, steps);
      if (solver == "ddpm" || solver == "sde-dpmsolver++" || steps == 4) {
        // Their noise, and steps as large as these, can lead to another heart.
        EXPECT_GT(found, kDarkest) << solver << steps;
        EXPECT_LT(found, kBrightest) << solver << steps;
      } else {
        EXPECT_NEAR(found / reference, 1.0, 0.25) << solver << steps;
      }
    }
  }
}

// Of whole videos: a block goes on from the one before, and so do differences.
TEST(SampleShippedModelSlow, VideosThatAreMadeTogetherAgreeWithSingleOnes) {
  const TemporaryFolder folder;
  const auto latents_of = [&](std::int64_t batch) {
    SampleOptions options = shipped_options(folder / std::to_string(batch));
    options.classes = {"ASD", "Non-PAH"};
    options.batch = batch;
    options.also = {"latents"};
    EXPECT_EQ(run_sampling(options).made, 2);
    EXPECT_EQ(options.guidance.scale, 5.0);
    EXPECT_EQ(options.blocks, 4);
    return data::LatentDataset::open(folder / std::to_string(batch));
  };
  const data::LatentDataset single = latents_of(1);
  const data::LatentDataset together = latents_of(2);
  ASSERT_EQ(single.studies().size(), 2U);
  for (const data::Study& study : single.studies()) {
    const at::Tensor one = single.load(study).mean * single.scaling_factor();
    const at::Tensor other = together.load(study).mean * together.scaling_factor();
    ASSERT_EQ(one.sizes(), at::IntArrayRef({226, 4, 14, 14}));
    ASSERT_EQ(other.sizes(), one.sizes());
    EXPECT_LT((other - one).abs().max().item<double>(), 1e-3) << study.file_name;
  }
}

}  // namespace
}  // namespace echopath::generation
