#include "echopath/training/trainer.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/text.hpp"
#include "echopath/training/checkpoint.hpp"
#include "training/toy_recipe.hpp"

namespace echopath::training {
namespace {

class TrainerTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ =
        fs::temp_directory_path() / ("echopath_trainer_" + std::to_string(getpid()) + "_" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  TrainerOptions options(std::int64_t steps, const std::string& run = "run") const {
    TrainerOptions options;
    options.loop.steps = steps;
    options.loop.batch_size = 8;
    options.loop.learning_rate = 0.05;
    options.loop.validate_every = 5;
    options.loop.checkpoint_every = 4;
    if (steps >= 200) options.loop.validate_every = options.loop.checkpoint_every = 50;
    options.loop.log_every = 1;
    options.run_directory = root_ / run;
    options.config = {{"note", "test"}};
    return options;
  }

  at::Tensor train(TrainerOptions options) const {
    ToyRecipe recipe;
    Trainer trainer(recipe, std::move(options));
    trainer.run();
    return recipe.weight();
  }

  fs::path root_;
};

TEST_F(TrainerTest, FitsAndWritesItsRunDirectory) {
  ToyRecipe recipe;
  Trainer trainer(recipe, options(200));
  const Figures figures = trainer.run();
  EXPECT_LT(recipe.error(), 0.05);
  EXPECT_EQ(figures.front().first, "val_error");
  EXPECT_TRUE(fs::exists(root_ / "run" / "config.json"));
  EXPECT_TRUE(fs::exists(root_ / "run" / "checkpoints" / "step-00000200" / "DONE"));
  EXPECT_FALSE(fs::exists(root_ / "run" / "checkpoints" / "step-00000050"));  // keep_last = 2
}

/// A second phase beside the toy's own.
class JudgedRecipe : public ToyRecipe {
 public:
  int phases() const override { return 2; }
  std::vector<NamedModule> modules(int phase) override {
    if (phase == 0) return ToyRecipe::modules(phase);
    return {{"discriminator", judge_.ptr()}};
  }
  at::Tensor loss(int phase, const Batch& batch, Figures& figures) override {
    if (phase == 0) return ToyRecipe::loss(phase, batch, figures);
    return judge_->forward(at::ones({1, 2})).square().mean();
  }

 private:
  torch::nn::Linear judge_{2, 1};
};

TEST_F(TrainerTest, TheLossOfASecondPhaseHasTheNameOfItsModule) {
  JudgedRecipe recipe;
  Trainer trainer(recipe, options(1));
  trainer.run();
  std::ifstream metrics(root_ / "run" / "metrics.jsonl");
  std::string line;
  ASSERT_TRUE(std::getline(metrics, line));
  const config::Json row = config::Json::parse(line);
  EXPECT_TRUE(row.contains("loss"));
  EXPECT_TRUE(row.contains("discriminator"));
  EXPECT_FALSE(row.contains("loss_1"));
}

TEST_F(TrainerTest, ResumeNeedsARun) {
  ToyRecipe recipe;
  TrainerOptions nowhere = options(2);
  nowhere.resume = true;
  EXPECT_THROW(Trainer(recipe, nowhere), UsageError);
  EXPECT_FALSE(fs::exists(root_ / "run"));
}

TEST_F(TrainerTest, AccumulationGivesTheSameWeightsAsOneBatch) {
  TrainerOptions micro = options(10, "micro");
  micro.loop.micro_batch_size = 3;
  EXPECT_LT((train(options(10)) - train(std::move(micro))).abs().max().item<double>(), 1e-6);
}

TEST_F(TrainerTest, ResumedRunEndsBitExactlyLikeAnUninterruptedOne) {
  const at::Tensor whole = train(options(11, "whole"));
  train(options(6, "parts"));
  TrainerOptions rest = options(11, "parts");
  rest.resume = true;
  EXPECT_TRUE(at::equal(train(std::move(rest)), whole));
  // metrics.jsonl has each step once, in order.
  std::ifstream metrics(root_ / "parts" / "metrics.jsonl");
  std::vector<std::int64_t> steps;
  for (std::string line; std::getline(metrics, line);) {
    const config::Json row = config::Json::parse(line);
    if (row.at("kind") == "training") steps.push_back(row.at("step").get<std::int64_t>());
  }
  EXPECT_EQ(steps, (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
}

TEST_F(TrainerTest, RefusesARunDirectoryThatHoldsARun) {
  train(options(2));
  ToyRecipe recipe;
  try {
    Trainer trainer(recipe, options(2));
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("--resume"), std::string::npos);
  }
}

TEST_F(TrainerTest, SkipsStepsWhoseLossIsNotFinite) {
  ToyRecipe recipe;
  recipe.poisoned_from = 2;
  recipe.poisoned_to = 4;
  Trainer trainer(recipe, options(200));
  trainer.run();
  EXPECT_LT(recipe.error(), 0.05);
}

TEST_F(TrainerTest, StopsAfterTooManyStepsThatAreNotFinite) {
  ToyRecipe recipe;
  recipe.poisoned_from = 5;
  TrainerOptions limited = options(100);
  limited.loop.max_nonfinite_steps = 3;
  Trainer trainer(recipe, limited);
  EXPECT_THROW(trainer.run(), DataError);
  EXPECT_TRUE(recipe.weight().isfinite().all().item<bool>());
  // Steps 6 and 7 were skipped, and the third stopped the run: what was learned until 5 is saved.
  const auto newest = load_newest_checkpoint(root_ / "run");
  EXPECT_EQ(newest->step, 7);
  EXPECT_TRUE(newest->weights.begin()->second.isfinite().all().item<bool>());
}

/// A second network, such as a discriminator, whose loss is far smaller than the first's.
class TwoPhaseRecipe : public ToyRecipe {
 public:
  int phases() const override { return 2; }
  std::vector<NamedModule> modules(int phase) override {
    if (phase == 0) return ToyRecipe::modules(0);
    return {{"second", second_.ptr()}};
  }
  at::Tensor loss(int phase, const Batch& batch, Figures& figures) override {
    if (phase == 0) return ToyRecipe::loss(0, batch, figures);
    return 1e-6 * second_->forward(batch.tensors.at("x")).square().mean();
  }

 private:
  torch::nn::Linear second_{torch::nn::Linear(3, 1)};
};

TEST_F(TrainerTest, SpikesAreJudgedByTheLossOfTheFirstPhase) {
  TwoPhaseRecipe recipe;
  TrainerOptions watched = options(200);
  watched.loop.loss_spike_factor = 1000;
  Trainer trainer(recipe, watched);
  trainer.run();
  EXPECT_LT(recipe.error(), 0.05);
}

TEST_F(TrainerTest, ASignalSavesAndSaysHowToGoOn) {
  install_interrupt_handlers();
  ToyRecipe recipe;
  Trainer trainer(recipe, options(1000));
  std::raise(SIGTERM);
  EXPECT_THROW(trainer.run(), Interrupted);
  EXPECT_EQ(load_newest_checkpoint(root_ / "run")->step, 1);
  install_interrupt_handlers();
  EXPECT_FALSE(interrupt_requested());
}

TEST(LearningRateFactor, WarmsUpAndFollowsHalfACosine) {
  LoopOptions loop;
  loop.steps = 110;
  loop.warmup_steps = 10;
  loop.learning_rate_schedule = "cosine";
  EXPECT_NEAR(learning_rate_factor(loop, 0), 0.1, 1e-12);
  EXPECT_NEAR(learning_rate_factor(loop, 10), 1.0, 1e-12);
  EXPECT_NEAR(learning_rate_factor(loop, 60), 0.5, 1e-12);
  EXPECT_NEAR(learning_rate_factor(loop, 110), 0.0, 1e-12);
  loop.learning_rate_schedule = "constant";
  EXPECT_EQ(learning_rate_factor(loop, 60), 1.0);
}

}  // namespace
}  // namespace echopath::training
