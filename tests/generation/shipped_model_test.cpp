// The demo model with every solver that its schedule allows.
#include <gtest/gtest.h>

#include <numeric>

#include "echopath/diffusion/solver.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/io/video.hpp"
#include "sample_support.hpp"

namespace echopath::generation {
namespace {

using testing::TemporaryFolder;

/// Mean grey level of one block of the demo model.
double brightness(const TemporaryFolder& folder, const std::string& solver, std::int64_t steps) {
  SampleOptions options;
  options.model = std::string(ECHOPATH_SOURCE_DIR) + "/models/phantom";
  options.out = (folder / (solver + std::to_string(steps))).string();
  options.classes = {"ASD"};
  options.seed = 4;
  options.blocks = 1;
  options.solver.name = solver;
  options.solver.num_inference_steps = steps;
  options.allow_unfiltered = true;
  options.device = "cpu";
  const io::Frames frames = io::read_video(run_sampling(options).videos.at(0));
  const double sum = std::accumulate(frames.pixels.begin(), frames.pixels.end(), 0.0);
  return sum / static_cast<double>(frames.pixels.size());
}

/// Mean grey levels of the first 150 videos of ASD that the model was trained on (600 patients,
/// seed 7), of every 16th frame: hearts differ in brightness by 21 % (one deviation).
constexpr double kDarkest = 15.2;
constexpr double kBrightest = 47.7;

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

}  // namespace
}  // namespace echopath::generation
