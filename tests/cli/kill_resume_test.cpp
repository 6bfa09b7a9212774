// A training that is killed again and again; scripts/kill_and_resume.sh is the long form.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>
#include <thread>

#include "cli/run_program.hpp"
#include "cli/running_program.hpp"
#include "echopath/core/files.hpp"
#include "toy_data.hpp"

namespace echopath::cli {
namespace {

using testing::RunningProgram;
using testing::TemporaryFolder;

constexpr int kSteps = 120;

class KillAndResume : public ::testing::Test {
 protected:
  void SetUp() override { tests::write_toy_latents(folder_ / "latents", ""); }

  /// The training in folder `run`, gone on with where there is one.
  std::vector<std::string> arguments(const std::string& run) const {
    std::vector<std::string> all = {
        "train",     "lidm",
        "--config",  std::string(ECHOPATH_SOURCE_DIR) + "/tests/fixtures/toy/lidm.json",
        "--set",     "data.latents=" + (folder_ / "latents"),
        "--set",     "training.steps=" + std::to_string(kSteps),
        "--set",     "training.checkpoint_every=3",
        "--set",     "training.validate_every=50",
        "--set",     "training.micro_batch_size=2",
        "--out",     folder_ / run,
        "--threads", "1",
        "--device",  "cpu"};
    if (fs::exists(fs::path(folder_ / run) / "config.json")) all.emplace_back("--resume");
    return all;
  }
  /// Whether a checkpoint is being written.
  bool writes_checkpoint(const std::string& run) const {
    std::error_code error;
    for (const auto& entry :
         fs::directory_iterator(fs::path(folder_ / run) / "checkpoints", error)) {
      if (entry.path().filename().string().rfind(".step-", 0) == 0) return true;
    }
    return false;
  }
  /// Of the checkpoints that are there; 0 without one.
  int newest_step(const std::string& run) const {
    int newest = 0;
    std::error_code error;
    for (const auto& entry :
         fs::directory_iterator(fs::path(folder_ / run) / "checkpoints", error)) {
      const std::string name = entry.path().filename().string();
      if (name.rfind("step-", 0) == 0) newest = std::max(newest, std::stoi(name.substr(5)));
    }
    return newest;
  }
  std::string last_weights(const std::string& run) const {
    char name[64];
    std::snprintf(name, sizeof(name), "checkpoints/step-%08d/weights.safetensors", kSteps);
    return sha256_file(fs::path(folder_ / run) / name);
  }
  void finish(const std::string& run) {
    RunningProgram training(arguments(run));
    training.wait();
    ASSERT_TRUE(training.succeeded());
  }

  TemporaryFolder folder_;
};

TEST_F(KillAndResume, SixKillsAtRandomMomentsChangeNoBit) {
  finish("whole");
  std::mt19937 random(20261123);
  std::uniform_int_distribution<int> milliseconds(0, 30);
  int killed = 0, killed_while_saving = 0;
  for (int i = 0; i < 6; ++i) {
    RunningProgram training(arguments("parts"));
    // By its progress and not by the clock: the machine may be as busy as it likes.
    while (newest_step("parts") < kSteps * (i + 1) / 8 && !training.ended()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds(random)));
    // Every other one falls into the writing of a checkpoint.
    while (i % 2 == 1 && !training.ended() && !writes_checkpoint("parts")) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    if (training.ended()) break;
    training.kill();
    ++killed;
    if (writes_checkpoint("parts")) ++killed_while_saving;
  }
  EXPECT_GE(killed, 5);
  EXPECT_GE(killed_while_saving, 1);
  finish("parts");
  EXPECT_EQ(last_weights("parts"), last_weights("whole"));
  EXPECT_FALSE(writes_checkpoint("parts")) << "what was half-written is gone";
}

}  // namespace
}  // namespace echopath::cli
