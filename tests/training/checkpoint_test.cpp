#include "echopath/training/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"

namespace echopath::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    run_ = fs::temp_directory_path() / ("echopath_checkpoint_" + std::to_string(getpid()));
    fs::remove_all(run_);
    initialise_logging("info", false);
  }
  void TearDown() override { fs::remove_all(run_); }

  void save(std::int64_t step, std::int64_t best_step = -1, Retention retention = {}) const {
    Checkpoint checkpoint;
    checkpoint.step = step;
    checkpoint.best_step = best_step;
    checkpoint.processes = 3;
    checkpoint.program = "1.2.3";
    checkpoint.weights = {{"w", at::full({300}, static_cast<double>(step))}};
    checkpoint.ema = {{"w", at::full({2}, 0.5)}};
    checkpoint.optimizer = {{"w.step", at::full({}, 7.0)}};
    checkpoint.generators = {{"rank0", at::arange(5, at::kByte)}};
    checkpoint.loop = {{"best", 0.1}};
    checkpoint.recipe_state = {{"best_loss", 0.3}};
    checkpoint.config = {{"note", "test"}};
    save_checkpoint(run_, checkpoint, retention);
  }
  fs::path file(const std::string& name) const { return run_ / "checkpoints" / name; }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(run_ / "checkpoints")) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  fs::path run_;
};

TEST_F(CheckpointTest, ComesBackAsItWas) {
  save(12, 9);
  const Checkpoint checkpoint = *load_newest_checkpoint(run_);
  EXPECT_EQ(checkpoint.step, 12);
  EXPECT_EQ(checkpoint.best_step, 9);
  EXPECT_EQ(checkpoint.processes, 3);
  EXPECT_EQ(checkpoint.program, "1.2.3");
  EXPECT_TRUE(at::equal(checkpoint.weights.at("w"), at::full({300}, 12.0)));
  EXPECT_TRUE(at::equal(checkpoint.ema.at("w"), at::full({2}, 0.5)));
  EXPECT_EQ(checkpoint.optimizer.at("w.step").item<double>(), 7.0);
  EXPECT_TRUE(at::equal(checkpoint.generators.at("rank0"), at::arange(5, at::kByte)));
  EXPECT_EQ(checkpoint.loop.at("best"), 0.1);
  EXPECT_EQ(checkpoint.recipe_state.at("best_loss"), 0.3);
  EXPECT_EQ(checkpoint.config.at("note"), "test");
}

TEST_F(CheckpointTest, ItsHashesAreToldOfTheNewestThatIsFinished) {
  EXPECT_FALSE(newest_checkpoint_hashes(run_));
  save(9);
  save(12);
  const CheckpointHashes newest = newest_checkpoint_hashes(run_).value();
  EXPECT_EQ(newest.step, 12);
  EXPECT_EQ(newest.sha256.size(), 6U);
  EXPECT_EQ(newest.sha256.at("weights.safetensors"),
            sha256_file(file("step-00000012/weights.safetensors")));
  fs::remove(file("step-00000012/DONE"));
  EXPECT_EQ(newest_checkpoint_hashes(run_).value().step, 9);
}

TEST_F(CheckpointTest, TheNewestTheRoundOnesAndTheBestStay) {
  const Retention retention{2, 10};
  for (const std::int64_t step : {3, 7, 10, 12}) save(step, step >= 7 ? 7 : -1, retention);
  EXPECT_THAT(names(), ElementsAre("step-00000007", "step-00000010", "step-00000012"));
  save(15, 15, retention);
  // That of step 12 still names step 7 as the best: who falls back to it finds it.
  EXPECT_THAT(names(),
              ElementsAre("step-00000007", "step-00000010", "step-00000012", "step-00000015"));
  save(18, 15, retention);
  EXPECT_THAT(names(), ElementsAre("step-00000010", "step-00000015", "step-00000018"));
  save(23, 15, retention);
  save(26, 15, retention);
  EXPECT_THAT(names(),
              ElementsAre("step-00000010", "step-00000015", "step-00000023", "step-00000026"));
}

/// Ways to damage a checkpoint, and what is said of it.
struct Damage {
  const char* reason;
  void (*to)(const fs::path& folder);
};

class DamagedCheckpoint : public CheckpointTest, public ::testing::WithParamInterface<Damage> {};

TEST_P(DamagedCheckpoint, IsReportedAndTheOneBeforeIsUsed) {
  save(4);
  save(8);
  GetParam().to(file("step-00000008"));
  ::testing::internal::CaptureStderr();
  const auto checkpoint = load_newest_checkpoint(run_);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("step-00000008' is damaged: " + std::string(GetParam().reason)),
                    HasSubstr("trying the one before")));
  ASSERT_TRUE(checkpoint.has_value());
  EXPECT_EQ(checkpoint->step, 4);
  EXPECT_THROW(load_checkpoint(run_, 8), DataError);

  // The damaged one does not outlive the next, nor does it count as one of the newest.
  save(6, -1, {1, 0});
  EXPECT_THAT(names(), ElementsAre("step-00000006"));
}

INSTANTIATE_TEST_SUITE_P(
    Ways, DamagedCheckpoint,
    ::testing::Values(Damage{"weights.safetensors differs from its hash",
                             [](const fs::path& folder) {
                               fs::resize_file(folder / "weights.safetensors",
                                               fs::file_size(folder / "weights.safetensors") / 2);
                             }},
                      Damage{"optimizer.safetensors differs from its hash",
                             [](const fs::path& folder) {
                               std::fstream file(folder / "optimizer.safetensors",
                                                 std::ios::in | std::ios::out | std::ios::binary);
                               file.seekp(-1, std::ios::end);
                               file.put('\x7f');
                             }},
                      Damage{"it has no DONE marker",
                             [](const fs::path& folder) { fs::remove(folder / "DONE"); }},
                      Damage{"DONE has no hash of weights.safetensors",
                             [](const fs::path& folder) { write_file(folder / "DONE", "{}"); }},
                      Damage{"cannot open",
                             [](const fs::path& folder) { fs::remove(folder / "state.json"); }}));

TEST_F(CheckpointTest, WhereNoneIsWholeNothingBeginsAnew) {
  EXPECT_FALSE(load_newest_checkpoint(run_).has_value());
  save(4);
  fs::remove(file("step-00000004") / "DONE");
  try {
    load_newest_checkpoint(run_);
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("none of the 1 checkpoints"), HasSubstr("step 0")));
  }
}

TEST_F(CheckpointTest, WhatAKilledRunLeftHalfWrittenGoes) {
  save(4);
  fs::create_directories(file(".step-00000008.tmp-99-0"));
  write_file(file(".step-00000008.tmp-99-0") / "weights.safetensors", "half");
  write_file(run_ / ".config.tmp-99-3.json", "{");
  write_file(run_ / "metrics.jsonl", "");
  remove_leftovers(run_);
  EXPECT_THAT(names(), ElementsAre("step-00000004"));
  EXPECT_FALSE(fs::exists(run_ / ".config.tmp-99-3.json"));
  EXPECT_TRUE(fs::exists(run_ / "metrics.jsonl"));
}

TEST_F(CheckpointTest, ASaveThatFailsLeavesTheOthers) {
  save(4);
  // A file where the folder should be.
  fs::rename(run_ / "checkpoints", run_ / "kept");
  write_file(run_ / "checkpoints", "in the way");
  EXPECT_THROW(save(8), DataError);
  fs::remove(run_ / "checkpoints");
  fs::rename(run_ / "kept", run_ / "checkpoints");
  EXPECT_EQ(load_newest_checkpoint(run_)->step, 4);
}

}  // namespace
}  // namespace echopath::training
