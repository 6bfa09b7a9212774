#include "training/parallel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/data/batching.hpp"
#include "echopath/distributed/launcher.hpp"
#include "echopath/training/checkpoint.hpp"
#include "toy_data.hpp"
#include "training/jobs.hpp"

namespace echopath::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

fs::path temporary_folder(const std::string& name) {
  const fs::path path =
      fs::temp_directory_path() / ("echopath_parallel_" + name + "_" + std::to_string(getpid()));
  fs::remove_all(path);
  fs::create_directories(path);
  return path;
}

/// What a run of workers (workers.cpp) came to.
struct Outcome {
  int exit_code = 0;
  std::string err;
};

Outcome run(int processes, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"/proc/self/exe", "--worker"});
  ::testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.exit_code = distributed::launch_local(processes, arguments);
  outcome.err = ::testing::internal::GetCapturedStderr();
  return outcome;
}

/// The same training by 1, 2 (in micro-batches of one) and 4 processes.
class SameTraining : public ::testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    folder_ = new fs::path(temporary_folder("same"));
    tests::write_toy_latents(*folder_ / "latents", "", 1);
    tests::write_toy_videos(*folder_ / "videos");
    for (const int processes : {1, 2, 4}) {
      const Outcome outcome =
          run(processes, {"gradients", folder_->string(), processes == 2 ? "1" : "0"});
      ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    }
  }
  static void TearDownTestSuite() {
    fs::remove_all(*folder_);
    delete folder_;
  }

  static fs::path of(int processes, const std::string& name) {
    return *folder_ / std::to_string(processes) / (GetParam() + name);
  }
  static at::Tensor gradient(int processes, const std::string& precision) {
    std::vector<at::Tensor> parts;
    const fs::path file = of(processes, "." + precision + ".safetensors");
    for (const auto& [name, tensor] : io::load_safetensors(file)) {
      parts.push_back(tensor.flatten().to(at::kDouble));
    }
    return at::cat(parts);
  }
  static double relative_difference(int processes, const std::string& precision) {
    const at::Tensor alone = gradient(1, precision);
    return ((gradient(processes, precision) - alone).norm() / alone.norm()).item<double>();
  }
  static std::vector<double> losses(int processes) {
    std::vector<double> values;
    for (const std::string& line : split(read_file(of(processes, "") / "metrics.jsonl"), '\n')) {
      if (line.empty()) continue;
      const config::Json row = config::Json::parse(line);
      if (row.at("kind") == "training") values.push_back(row.at("loss").get<double>());
    }
    return values;
  }

  static fs::path* folder_;
};
fs::path* SameTraining::folder_ = nullptr;

TEST_P(SameTraining, TheGradientDoesNotDependOnTheNumberOfProcesses) {
  EXPECT_GT(gradient(1, "float64").norm().item<double>(), 1e-4);
  for (const int processes : {2, 4}) {
    EXPECT_LE(relative_difference(processes, "float64"), 1e-6) << processes;
    EXPECT_LE(relative_difference(processes, "float32"), 1e-5) << processes;
    for (const char* precision : {"float64", "float32"}) {
      std::printf("%s, %d processes, %s: relative difference %.2g\n", GetParam(), processes,
                  precision, relative_difference(processes, precision));
    }
  }
}

TEST_P(SameTraining, TheLossOfTwentyStepsDoesNotDependOnTheNumberOfProcesses) {
  const std::vector<double> alone = losses(1);
  ASSERT_EQ(alone.size(), 20U);
  for (const int processes : {2, 4}) {
    const std::vector<double> shared = losses(processes);
    ASSERT_EQ(shared.size(), 20U);
    for (std::size_t step = 0; step < 20; ++step) {
      EXPECT_NEAR(shared[step], alone[step], 1e-4 * std::abs(alone[step]))
          << processes << " processes, step " << step + 1;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, SameTraining, ::testing::Values("lidm", "lvdm", "vae"));

/// run_training() as several processes on toy latents.
class ParallelTraining : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = temporary_folder("training");
    tests::write_toy_latents(latents(), "");
  }
  void TearDown() override { fs::remove_all(root_); }

  fs::path latents() const { return root_ / "latents"; }
  Outcome train(int processes, const std::string& name, std::vector<std::string> options,
                const std::string& network = "lidm") const {
    options.insert(options.begin(),
                   {"train", network, (root_ / name).string(), latents().string()});
    return run(processes, options);
  }
  std::string newest_weights(const std::string& name, std::int64_t step) const {
    char folder[32];
    std::snprintf(folder, sizeof(folder), "step-%08lld", static_cast<long long>(step));
    return sha256_file(root_ / name / "checkpoints" / folder / "weights.safetensors");
  }

  fs::path root_;
};

TEST_F(ParallelTraining, ResumedByAsManyProcessesItRepeatsTheBits) {
  ASSERT_EQ(train(3, "whole", {"training.batch_size=6", "training.steps=5"}).exit_code, 0);
  ASSERT_EQ(train(3, "parts", {"training.batch_size=6", "training.steps=3"}).exit_code, 0);
  const Outcome rest = train(3, "parts", {"training.batch_size=6", "training.steps=5", "--resume"});
  ASSERT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_THAT(rest.err, HasSubstr("at step 3"));
  EXPECT_THAT(rest.err, Not(HasSubstr("last bits will differ")));
  EXPECT_EQ(newest_weights("parts", 5), newest_weights("whole", 5));
}

TEST_F(ParallelTraining, ResumedByAnotherNumberOfProcessesItGoesOnAndSaysSo) {
  ASSERT_EQ(train(2, "run", {"training.steps=3"}).exit_code, 0);
  const Outcome rest = train(1, "run", {"training.steps=4", "--resume"});
  ASSERT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_THAT(rest.err, HasSubstr("saved by 2 processes and goes on with 1"));
  EXPECT_EQ(load_newest_checkpoint(root_ / "run")->step, 4);
  EXPECT_EQ(load_newest_checkpoint(root_ / "run")->processes, 1);
}

TEST_F(ParallelTraining, FaultsThatAllFindAreToldOnceByRankZero) {
  const Outcome outcome = train(3, "run", {"training.batch_size=4"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.err,
            "[rank 0] error: training.batch_size is 4, which 3 processes cannot share equally; use "
            "a multiple of 3 or another number of processes\n");
}

TEST_F(ParallelTraining, BatchNormalisationIsForOneProcess) {
  const Outcome outcome = train(2, "run", {}, "reid");
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.err,
            "[rank 0] error: 'reid' has batch normalisation, whose statistics are those of one "
            "process's items: train it with one process\n");
  EXPECT_FALSE(fs::exists(root_ / "run"));
}

TEST_F(ParallelTraining, ARunDirectoryThatHoldsARunIsToldOnce) {
  fs::create_directories(root_ / "run");
  write_file(root_ / "run" / "config.json", "{}");
  const Outcome outcome = train(2, "run", {});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("[rank 0] error: run directory"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("[rank 1]")));
}

/// The VAE on six videos, the last one held out; each test damages one of them.
class ParallelDamage : public ParallelTraining {
 protected:
  void SetUp() override {
    ParallelTraining::SetUp();
    tests::write_toy_videos(videos(), 1, 6);
  }
  fs::path videos() const { return root_ / "videos"; }
  void damage(std::int64_t video) const {
    write_file(videos() / "Videos" / ("noise" + std::to_string(video) + ".avi"), "no video");
  }
  Outcome train_vae(std::vector<std::string> options) const {
    options.insert(options.begin(),
                   {"train", "vae", (root_ / "run").string(), videos().string(),
                    "training.batch_size=2", "training.steps=4", "training.seed=5",
                    "training.validate_every=100", "training.checkpoint_every=100"});
    return run(2, options);
  }
  /// Exit code 3, and one error, on rank 0, that names the video.
  static void expect_told_once(const Outcome& outcome, const std::string& error) {
    EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("[rank 0] error: " + error));
    EXPECT_THAT(outcome.err, Not(HasSubstr("[rank 1]")));
    EXPECT_THAT(outcome.err, Not(HasSubstr("process group")));
  }
};

TEST_F(ParallelDamage, AVideoThatOneProcessCannotReadIsToldOnceAndWhatIsDoneIsSaved) {
  // The second item of the second batch is rank 1's.
  const std::int64_t video = data::BatchOrder(5, 2, 5).items(1, {1}).front();
  damage(video);
  expect_told_once(train_vae({}), "rank 1: ");
  EXPECT_EQ(load_newest_checkpoint(root_ / "run")->step, 1);
  const Outcome passed = train_vae({"--resume", "data.skip_unreadable=true"});
  EXPECT_EQ(passed.exit_code, 0) << passed.err;
  EXPECT_EQ(load_newest_checkpoint(root_ / "run")->step, 4);
}

TEST_F(ParallelDamage, AHeldOutVideoThatRankZeroCannotReadIsToldOnce) {
  damage(5);
  expect_told_once(train_vae({"training.validate_every=2"}), "");
}

std::vector<std::vector<std::int64_t>> positions(std::int64_t micro, int rank, int processes) {
  LoopOptions loop;
  loop.batch_size = 12;
  loop.micro_batch_size = micro;
  std::vector<std::vector<std::int64_t>> result;
  for (const MicroBatch& batch : micro_batches(loop, 0, rank, processes)) {
    result.push_back(batch.positions);
  }
  return result;
}

TEST(MicroBatches, AreTheSliceOfTheRank) {
  using List = std::vector<std::int64_t>;
  EXPECT_THAT(positions(0, 0, 3), ElementsAre(List{0, 1, 2, 3}));
  EXPECT_THAT(positions(3, 2, 3), ElementsAre(List{8, 9, 10}, List{11}));
  EXPECT_THAT(positions(100, 1, 2), ElementsAre(List{6, 7, 8, 9, 10, 11}));
}

}  // namespace
}  // namespace echopath::training
