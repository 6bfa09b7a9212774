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

TEST(SampleShippedModelSlow, EverySolverMakesAPictureAsBrightInFourStepsAndInFifty) {
  const TemporaryFolder folder;
  const double reference = brightness(folder, "ddim", 50);
  EXPECT_GT(reference, 5.0);
  for (const std::string& solver : diffusion::solver_names()) {
    if (solver == "flow_euler") continue;  // for models of flow
    for (const std::int64_t steps : {4, 50}) {
      EXPECT_NEAR(brightness(folder, solver, steps) / reference, 1.0, 0.25) << solver << steps;
    }
  }
}

}  // namespace
}  // namespace echopath::generation
