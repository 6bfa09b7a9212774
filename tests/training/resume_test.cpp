// Runs that are cut off.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/training/checkpoint.hpp"
#include "echopath/training/trainer.hpp"
#include "training/resume_support.hpp"

namespace echopath::training {
namespace {

using testing::Crash;
using testing::DemandingRecipe;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ResumeTest;

struct Numerics {
  const char* precision;
  const char* optimizer;
};

class ResumeNumerics : public ResumeTest, public ::testing::WithParamInterface<Numerics> {};

TEST_P(ResumeNumerics, CrashesAnywhereLeaveNoTrace) {
  const auto prepare = [](DemandingRecipe& recipe) {
    recipe.bad_step = 21;
    recipe.spike_step = 28;
  };
  const auto with_numerics = [&](TrainerOptions options) {
    options.loop.precision = GetParam().precision;
    options.loop.optimizer = GetParam().optimizer;
    return options;
  };
  {
    DemandingRecipe recipe;
    prepare(recipe);
    Trainer(recipe, with_numerics(options("whole"))).run();
  }
  bool resume = false;
  for (const std::int64_t crash : {2, 6, 13, 22, 30, 31, 39}) {
    DemandingRecipe recipe;
    prepare(recipe);
    recipe.on_step = [&](std::int64_t step) {
      if (step == crash) throw Crash();
    };
    Trainer trainer(recipe, with_numerics(options("parts", resume)));
    EXPECT_THROW(trainer.run(), Crash) << crash;
    resume = true;
  }
  DemandingRecipe recipe;
  prepare(recipe);
  Trainer(recipe, with_numerics(options("parts", true))).run();
  // Every byte: weights, averages, moments, generators, scale, guard, early stopping.
  EXPECT_EQ(hashes("parts", 40), hashes("whole", 40));
  EXPECT_EQ(metrics("parts"), metrics("whole"));
  EXPECT_EQ(metrics("whole").first.size(), 40U);
  const config::Json guard = load_newest_checkpoint(root_ / "parts")->loop.at("guard");
  EXPECT_EQ(guard.at("not_finite"), 1);
  EXPECT_EQ(guard.at("spikes"), 1);
}

INSTANTIATE_TEST_SUITE_P(All, ResumeNumerics,
                         ::testing::Values(Numerics{"fp32", "adam"}, Numerics{"bf16", "adam"},
                                           Numerics{"fp16", "adam"}, Numerics{"fp32", "sgd"}));

TEST_F(ResumeTest, AFinishedRunIsNotValidatedAgain) {
  {
    DemandingRecipe recipe;
    Trainer(recipe, options("run")).run();
  }
  DemandingRecipe recipe;
  Trainer trainer(recipe, options("run", true));
  const Figures figures = trainer.run();
  ASSERT_EQ(figures.size(), 1U);
  EXPECT_EQ(figures.front().second,
            load_newest_checkpoint(root_ / "run")->loop.at("validation")[0][1]);
  EXPECT_THAT(metrics("run").second, ElementsAre(5, 10, 15, 20, 25, 30, 35, 40));
}

TEST_F(ResumeTest, EarlyStoppingCountsOn) {
  const auto run = [&](const std::string& name, bool resume, std::int64_t crash,
                       std::vector<double> validations) {
    DemandingRecipe recipe(3);
    recipe.validations = std::move(validations);
    recipe.on_step = [&](std::int64_t step) {
      if (step == crash) throw Crash();
    };
    Trainer trainer(recipe, options(name, resume));
    try {
      trainer.run();
    } catch (const Crash&) {
    }
    return trainer.step();
  };
  EXPECT_EQ(run("whole", false, -1, {0.9, 0.5, 0.6, 0.7, 0.8}), 25);
  run("parts", false, 18, {0.9, 0.5, 0.6});
  EXPECT_EQ(run("parts", true, -1, {0.7, 0.8}), 25);
}

TEST_F(ResumeTest, TheBestIsKeptAndComesBackAveraged) {
  DemandingRecipe recipe;
  recipe.validations = {0.9, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1};
  Trainer trainer(recipe, options("run"));
  trainer.run();
  const Checkpoint best = load_checkpoint(root_ / "run", 10);
  EXPECT_EQ(load_newest_checkpoint(root_ / "run")->best_step, 10);
  EXPECT_EQ(trainer.restore_best(), 10);
  const auto weights = recipe.network_->named_parameters();
  EXPECT_TRUE(at::equal(weights["0.weight"], best.ema.at("net.0.weight")));
  EXPECT_FALSE(at::equal(weights["0.weight"], best.weights.at("net.0.weight")));
  EXPECT_TRUE(at::equal(recipe.network_->named_buffers()["1.running_mean"],
                        best.weights.at("net.1.running_mean")));
}

TEST_F(ResumeTest, AStepThatIsNotFiniteNamesDataItemAndLeavesStatisticsAlone) {
  DemandingRecipe recipe;
  recipe.bad_step = 7;
  TrainerOptions one_pass = options("run");
  one_pass.loop.steps = 8;
  ::testing::internal::CaptureStderr();
  Trainer(recipe, one_pass).run();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("step 8 skipped: loss or gradient is not finite (1 in a row, 1 in all); "
                        "first the data, in its tensor 'x'; items: video_3.avi"));
  for (const at::Tensor& buffer : recipe.network_->buffers()) {
    EXPECT_TRUE(at::isfinite(buffer).all().item<bool>());
  }
}

TEST_F(ResumeTest, WeightsThatCameFromElsewhereAreSavedBeforeTheFirstStep) {
  DemandingRecipe recipe;
  TrainerOptions start = options("run");
  start.save_start = true;
  const at::Tensor before = recipe.network_->parameters().front().detach().clone();
  recipe.on_step = [](std::int64_t) { throw Crash(); };
  Trainer trainer(recipe, start);
  EXPECT_THROW(trainer.run(), Crash);
  const auto checkpoint = load_newest_checkpoint(root_ / "run");
  EXPECT_EQ(checkpoint->step, 0);
  EXPECT_TRUE(at::equal(checkpoint->weights.at("net.0.weight"), before));
}

// A scheduler that sent a signal does not wait for a validation: the run leaves before it or in the
// middle of it, and goes on with it.
TEST_F(ResumeTest, ASignalDoesNotWaitForAValidation) {
  {
    DemandingRecipe recipe;
    Trainer(recipe, options("whole")).run();
  }
  const auto run = [&](bool resume, std::int64_t step_of_signal, int validation_of_signal) {
    install_interrupt_handlers();
    DemandingRecipe recipe;
    int validations = 0;
    recipe.on_step = [&](std::int64_t step) {
      if (step == step_of_signal) std::raise(SIGTERM);
    };
    recipe.on_validation = [&] {
      if (++validations == validation_of_signal) std::raise(SIGTERM);
    };
    Trainer trainer(recipe, options("parts", resume));
    EXPECT_THROW(trainer.run(), Interrupted);
    return validations;
  };
  EXPECT_EQ(run(false, 9, 0), 1);  // in the tenth step, which is validated: that of step 5 alone
  EXPECT_EQ(load_newest_checkpoint(root_ / "parts")->step, 10);
  EXPECT_EQ(run(true, -1, 3), 3);  // in the validation of step 20
  EXPECT_EQ(load_newest_checkpoint(root_ / "parts")->step, 20);
  EXPECT_THAT(read_file(root_ / "parts/log.txt"), HasSubstr("info resumed "));
  install_interrupt_handlers();
  DemandingRecipe recipe;
  Trainer(recipe, options("parts", true)).run();
  EXPECT_EQ(hashes("parts", 40), hashes("whole", 40));
  EXPECT_EQ(metrics("parts"), metrics("whole"));
}

TEST_F(ResumeTest, Float16ScalesTheLossAndFits) {
  DemandingRecipe recipe;
  TrainerOptions half = options("run");
  half.loop.steps = 300;
  half.loop.validate_every = half.loop.checkpoint_every = 300;
  half.loop.precision = "fp16";
  const Figures figures = Trainer(recipe, half).run();
  EXPECT_LT(figures.front().second, 0.2);
  const config::Json loop = load_newest_checkpoint(root_ / "run")->loop;
  // Each overflow halved the scale; none of them counts as a loss that is not finite.
  const auto overflows = loop.at("guard").at("overflows").get<int>();
  EXPECT_EQ(loop.at("scaler").at("scale"), std::ldexp(65536.0, -overflows));
  EXPECT_EQ(loop.at("guard").at("not_finite"), 0);
  for (const at::Tensor& weight : recipe.network_->parameters()) {
    EXPECT_EQ(weight.scalar_type(), at::kFloat);
  }
}

}  // namespace
}  // namespace echopath::training
