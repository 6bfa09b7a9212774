// Sampling by several processes, and killed again and again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "cli/run_program.hpp"
#include "cli/running_program.hpp"
#include "echopath/core/files.hpp"
#include "echopath/generation/manifest.hpp"
#include "generation/toy_model.hpp"

namespace echopath::cli {
namespace {

using generation::testing::shared_toy_model;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run;
using testing::RunningProgram;
using ::testing::StartsWith;
using testing::TemporaryFolder;

class SampleProcesses : public ::testing::Test {
 protected:
  std::vector<std::string> arguments(const std::string& out,
                                     const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {"sample", "--model", model_,       "--classes", "ASD,Non-ASD",
                                    "--w",    "2",       "--blocks",   "2",         "--steps",
                                    "2",      "--also",  "latents",    "--codec",   "ffv1",
                                    "--seed", "5",       "--threads",  "1",         "--device",
                                    "cpu",    "--out",   folder_ / out};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// What a run left, by name: its videos, latents and lists, but for what says how it was run.
  std::map<std::string, std::string> content(const std::string& out) const {
    std::map<std::string, std::string> files;
    const fs::path root = folder_ / out;
    for (const auto& item : fs::recursive_directory_iterator(root)) {
      const std::string name = item.path().lexically_relative(root).string();
      if (item.is_regular_file() && name != "config.json" && name != ".lock") {
        files[name] = sha256_file(item.path());
      }
    }
    return files;
  }

  TemporaryFolder folder_;
  std::string model_ = shared_toy_model().string();
};

TEST_F(SampleProcesses, ShareTheVideosAndChangeNoBit) {
  ASSERT_EQ(run(arguments("one", {"--count", "3"})).exit_code, 0);
  const Outcome two = run(arguments("two", {"--count", "3", "--nproc", "2", "--json"}));
  ASSERT_EQ(two.exit_code, 0) << two.err;
  EXPECT_THAT(two.out, HasSubstr("\"made\": 6"));
  EXPECT_EQ(content("two"), content("one"));
  // More videos, by another number of processes.
  const Outcome more =
      run(arguments("two", {"--count", "5", "--nproc", "3", "--resume", "--json"}));
  ASSERT_EQ(more.exit_code, 0) << more.err;
  EXPECT_THAT(more.out, HasSubstr("\"made\": 4"));
  EXPECT_THAT(more.out, HasSubstr("\"skipped\": 6"));
  ASSERT_EQ(run(arguments("one", {"--count", "5", "--resume"})).exit_code, 0);
  EXPECT_EQ(content("two"), content("one"));
}

TEST_F(SampleProcesses, AnErrorIsToldOnceAndStopsThem) {
  const Outcome outcome = run(arguments("out", {"--nproc", "2", "--class", "PAH"}));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(testing::last_line(outcome.err),
              StartsWith("[rank 0] echopath: error: class 'PAH' is unknown"));
  EXPECT_EQ(outcome.err.find("error:"), outcome.err.rfind("error:")) << outcome.err;
  const Outcome trace =
      run(arguments("out", {"--nproc", "2", "--trace", folder_ / "trace.safetensors"}));
  EXPECT_EQ(trace.exit_code, 2);
  EXPECT_THAT(trace.err, HasSubstr("--trace keeps the blocks of one process"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

// Of the ranks' errors the run ends with one; each is told when it happens. Warnings are told by
// rank 0, whoever's they are.
TEST_F(SampleProcesses, WhatTheGateRefusesIsToldOfEveryRank) {
  generation::testing::ToyModelOptions strict;
  strict.tau = -2.0;
  generation::testing::write_toy_model(folder_ / "strict", strict);
  model_ = folder_ / "strict";
  const Outcome stopped = run(arguments("out", {"--nproc", "2", "--max-redraws", "1"}));
  EXPECT_EQ(stopped.exit_code, 3) << stopped.err;
  for (const std::string rank : {"rank 0", "rank 1"}) {
    EXPECT_THAT(stopped.err,
                HasSubstr(rank + " stopped, and the others go on with their shares: no heart frame "
                                 "passed the privacy gate in 2 draws"));
  }
  EXPECT_THAT(stopped.err, HasSubstr("[rank 0] echopath: error: no heart frame passed"));
  EXPECT_THAT(stopped.err, Not(HasSubstr("[rank 1] echopath: error:")));

  const Outcome allowed = run(
      arguments("out", {"--nproc", "2", "--max-redraws", "1", "--allow-unfiltered", "--resume"}));
  ASSERT_EQ(allowed.exit_code, 0) << allowed.err;
  for (const std::string video : {" ASD_000005", " Non-ASD_000006"}) {
    EXPECT_THAT(allowed.err, HasSubstr(video + ": no heart frame passed the privacy gate"));
  }
}

// Kills at random moments, resumed by changing numbers of processes: no video is lost, made twice,
// or different in a bit, and nothing half-written is left.
TEST_F(SampleProcesses, KillsAtRandomMomentsLoseNothing) {
  ASSERT_EQ(run(arguments("whole", {"--count", "10"})).exit_code, 0);
  const auto videos = [&] {
    int count = 0;
    std::error_code error;
    for (const auto& entry :
         fs::directory_iterator(fs::path(folder_ / "parts") / "Videos", error)) {
      if (entry.path().filename().string()[0] != '.') ++count;
    }
    return count;
  };
  std::mt19937 random(20261129);
  std::uniform_int_distribution<int> milliseconds(0, 30);
  int killed = 0;
  for (int i = 0; i < 6; ++i) {
    std::vector<std::string> more = {"--count", "10", "--nproc", std::to_string(1 + i % 2)};
    if (fs::exists(fs::path(folder_ / "parts") / "manifest.jsonl")) more.emplace_back("--resume");
    RunningProgram sampling(arguments("parts", more));
    // By its progress and not by the clock: the machine may be as busy as it likes.
    while (videos() < 3 * i + 1 && !sampling.ended()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds(random)));
    if (sampling.ended()) break;
    sampling.kill();
    ++killed;
  }
  EXPECT_GE(killed, 2);
  const Outcome rest = run(arguments("parts", {"--count", "10", "--resume", "--nproc", "2"}));
  ASSERT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_EQ(content("parts"), content("whole"));
  std::set<std::int64_t> indices;
  for (const auto& entry :
       generation::read_manifest(fs::path(folder_ / "parts") / "manifest.jsonl")) {
    EXPECT_TRUE(indices.insert(entry.index).second) << entry.index << " is there twice";
  }
  EXPECT_EQ(indices.size(), 20U);
}

// The demo model; 10810 frames of 12.5 kB would be 135 MB more.
TEST(SampleMemorySlow, DoesNotGrowWithTheNumberOfBlocks) {
  const TemporaryFolder folder;
  const auto peak = [&](const std::string& blocks) {
    RunningProgram sampling({"sample", "--class", "ASD", "--w", "1", "--steps", "1", "--blocks",
                             blocks, "--allow-unfiltered", "--threads", "1", "--device", "cpu",
                             "--out", folder / blocks});
    sampling.wait();
    EXPECT_TRUE(sampling.succeeded());
    return sampling.peak_bytes();
  };
  const double few = peak("2");
  const double many = peak("200");
  EXPECT_GT(few, 1e7);
  EXPECT_LT(many, 1.1 * few);
}

}  // namespace
}  // namespace echopath::cli
