// Several processes of one training run: the launcher, torchrun's and SLURM's variables, and what
// goes wrong between processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "cli/run_program.hpp"
#include "echopath/core/files.hpp"
#include "toy_data.hpp"

namespace echopath::cli {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run;
using ::testing::StartsWith;
using testing::TemporaryFolder;
using Clock = std::chrono::steady_clock;

/// A port that was free a moment ago.
int free_port() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  close(listener);
  return ntohs(address.sin_port);
}

/// The toy LIDM on toy latents.
class TrainProcesses : public ::testing::Test {
 protected:
  void SetUp() override { tests::write_toy_latents(folder_ / "latents", ""); }

  std::vector<std::string> arguments(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all = {
        "train",     "lidm",
        "--config",  std::string(ECHOPATH_SOURCE_DIR) + "/tests/fixtures/toy/lidm.json",
        "--set",     "data.latents=" + (folder_ / "latents"),
        "--out",     folder_ / "run",
        "--threads", "1",
        "--device",  "cpu"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  /// The command line of one process with these variables, for a shell.
  std::string command(const std::string& variables, const std::vector<std::string>& more = {},
                      const std::string& binary = ECHOPATH_BINARY) const {
    std::string text = "env " + variables + " '" + binary + "'";
    for (const std::string& argument : arguments(more)) text += " '" + argument + "'";
    return text;
  }

  static std::string torchrun_variables(int rank, int world_size, int port) {
    return "RANK=" + std::to_string(rank) + " LOCAL_RANK=" + std::to_string(rank) +
           " WORLD_SIZE=" + std::to_string(world_size) +
           " MASTER_ADDR=127.0.0.1 MASTER_PORT=" + std::to_string(port);
  }

  /// Runs the commands at once; the answer is that of the first, rank 0's.
  static Outcome run_together(const std::vector<std::string>& commands) {
    std::string script;
    for (std::size_t i = 1; i < commands.size(); ++i) script += commands[i] + " & ";
    // `run` appends a call of the program with its arguments: --version, whose output is not looked
    // at. The exit code and the messages are those of the commands.
    return run({"--version"}, script + commands[0] + "; code=$?; wait; exit $code;");
  }

  std::string weights(std::int64_t step = 4) const {
    char name[64];
    std::snprintf(name, sizeof(name), "run/checkpoints/step-%08lld/weights.safetensors",
                  static_cast<long long>(step));
    return sha256_file(folder_ / name);
  }
  bool exists(const std::string& name) const { return fs::exists(folder_ / name); }

  TemporaryFolder folder_;
};

TEST_F(TrainProcesses, NprocTorchrunAndSlurmTrainTheSameNetwork) {
  const Outcome own = run(arguments({"--nproc", "2", "--json"}));
  ASSERT_EQ(own.exit_code, 0) << own.err;
  EXPECT_THAT(own.out, HasSubstr("\"steps\": 4"));
  EXPECT_THAT(own.err, AllOf(HasSubstr("[rank 0] "), HasSubstr("2 processes")));
  EXPECT_THAT(own.err, Not(HasSubstr("[rank 1]"))) << "rank 0 alone writes the log";
  EXPECT_TRUE(exists("run/model/lidm/config.json"));
  const std::string expected = weights();

  fs::remove_all(folder_ / "run");
  const int port = free_port();
  const Outcome torchrun = run_together(
      {command(torchrun_variables(0, 2, port)), command(torchrun_variables(1, 2, port))});
  ASSERT_EQ(torchrun.exit_code, 0) << torchrun.err;
  EXPECT_EQ(weights(), expected);

  fs::remove_all(folder_ / "run");
  const std::string slurm = "SLURM_NTASKS=2 SLURM_JOB_ID=" + std::to_string(port % 20000) +
                            " SLURM_STEP_NODELIST=localhost SLURM_PROCID=";
  const Outcome srun =
      run_together({command(slurm + "0 SLURM_LOCALID=0"), command(slurm + "1 SLURM_LOCALID=1")});
  ASSERT_EQ(srun.exit_code, 0) << srun.err;
  EXPECT_EQ(weights(), expected);
}

TEST_F(TrainProcesses, ABatchThatCannotBeSharedIsOneLine) {
  const Outcome outcome = run(arguments({"--nproc", "3"}));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.err,
            "[rank 0] echopath: error: training.batch_size is 4, which 3 processes cannot share "
            "equally; use a multiple of 3 or another number of processes\n");
  const Outcome dry = run(arguments({"--nproc", "3", "--dry-run"}));
  EXPECT_EQ(dry.exit_code, 2);
  EXPECT_THAT(dry.err, HasSubstr("cannot share equally"));
}

TEST_F(TrainProcesses, AnAbsentGpuIsOneLine) {
  if (fs::exists("/proc/driver/nvidia/version")) GTEST_SKIP() << "this machine may have a GPU";
  std::vector<std::string> with_gpu = arguments({"--nproc", "2"});
  for (std::string& argument : with_gpu) {
    if (argument == "cpu") argument = "cuda";
  }
  const Outcome outcome = run(with_gpu);
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.err, HasSubstr("[rank 0] echopath: error: device 'cuda' was asked for"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("[rank 1]")));
}

TEST_F(TrainProcesses, RanksThatDisagreeOnTheConfigAreToldWhichKey) {
  const int port = free_port();
  const Outcome outcome = run_together(
      {command(torchrun_variables(0, 2, port)),
       command(torchrun_variables(1, 2, port), {"--set", "training.learning_rate=0.5"})});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.err,
            "echopath: error: the processes of a run must agree: training.learning_rate is 0.001 "
            "on rank 0, but training.learning_rate is 0.5 on rank 1; start every process with the "
            "same program, config and options\n");
  EXPECT_FALSE(exists("run"));
}

TEST_F(TrainProcesses, RanksThatRunAnotherProgramAreToldSo) {
  const std::string other = folder_ / "other";
  fs::copy_file(ECHOPATH_BINARY, other);
  std::ofstream(other, std::ios::app) << "another build";
  const int port = free_port();
  const Outcome outcome = run_together({command(torchrun_variables(0, 2, port)),
                                        command(torchrun_variables(1, 2, port), {}, other)});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("error: the processes of a run must agree: the program is version"),
                    HasSubstr("on rank 1")));
}

TEST_F(TrainProcesses, RanksWithOtherDataAreToldSo) {
  fs::create_directories(folder_ / "node");
  fs::copy(folder_ / "latents", folder_ / "node/latents", fs::copy_options::recursive);
  std::ofstream(folder_ / "node/latents/FileList.csv", std::ios::app) << "\n";
  const int port = free_port();
  const auto on_node = [&](int rank, const std::string& folder) {
    return "(cd '" + folder + "' && " +
           command(torchrun_variables(rank, 2, port), {"--set", "data.latents=latents"}) + ")";
  };
  const Outcome outcome = run_together({on_node(0, folder_ / "."), on_node(1, folder_ / "node")});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, StartsWith("echopath: error: the processes of a run must agree: "
                                      "'latents' holds 6 files of "));
  EXPECT_THAT(outcome.err, AllOf(HasSubstr(" on rank 0, but 'latents' holds 6 files of "),
                                 EndsWith(" on rank 1; give every node the same data\n")));
  EXPECT_FALSE(exists("run"));
}

TEST_F(TrainProcesses, AnUnreachableMasterTimesOutWithItsAddress) {
  const auto start = Clock::now();
  const int port = free_port();
  const Outcome outcome = run_together(
      {command(torchrun_variables(1, 2, port), {"--set", "training.join_timeout_seconds=2"})});
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.err, HasSubstr("cannot reach rank 0 at 127.0.0.1:" + std::to_string(port)));
  EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
  EXPECT_LT(Clock::now() - start, std::chrono::seconds(30));
}

TEST_F(TrainProcesses, APortInUseIsOneLineWithItsAddress) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  const int port = ntohs(address.sin_port);
  const Outcome outcome = run_together({command(torchrun_variables(0, 2, port))});
  close(listener);
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("127.0.0.1:" + std::to_string(port)),
                                 HasSubstr("the port is in use")));
  EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
  EXPECT_FALSE(exists("run"));
}

/// Expects one line of rank 0 with this text and exit code, and no run.
void expect_told_once(const Outcome& outcome, int exit_code, const std::string& text) {
  EXPECT_EQ(outcome.exit_code, exit_code);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("[rank 0] echopath: error: "), HasSubstr(text),
                                 Not(HasSubstr("[rank 1]"))));
  EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
}

TEST_F(TrainProcesses, AClassThatTheConfigLacksIsOneLine) {
  expect_told_once(
      run(arguments({"--nproc", "2", "--set", R"(data.classes=["ASD","PAH"])"})), 3,
      "'video_1.avi' is of class 'Non-ASD', which data.classes lacks; it lists ASD, PAH");
  EXPECT_FALSE(exists("run"));
}

TEST_F(TrainProcesses, AnEmptySplitIsOneLine) {
  fs::remove_all(folder_ / "latents");
  tests::write_toy_latents(folder_ / "latents", "", 6);
  expect_told_once(run(arguments({"--nproc", "2"})), 3, "has no video in split TRAIN");
  EXPECT_FALSE(exists("run"));
}

TEST_F(TrainProcesses, LatentsOfAnotherVaeAreOneLine) {
  const fs::path shipped = fs::path(ECHOPATH_SOURCE_DIR) / "models/phantom";
  fs::create_directories(folder_ / "model");
  fs::copy(shipped / "vae", folder_ / "model/vae");
  fs::remove_all(folder_ / "latents");
  tests::write_toy_latents(folder_ / "latents", std::string(64, 'b'));
  expect_told_once(
      run(arguments({"--nproc", "2", "--set", "output.model_directory=" + (folder_ / "model")})), 2,
      "holds another VAE than the one that made the latents");
  EXPECT_FALSE(exists("run"));
}

TEST_F(TrainProcesses, NprocInsideTorchrunMustBeTheirNumber) {
  const Outcome outcome =
      run_together({command(torchrun_variables(0, 2, free_port()), {"--nproc", "3"})});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--nproc 3, but torchrun or srun started 2 processes"));
}

/// A shell that waits until the run trains, does something to its processes and waits for its end.
std::string while_training(const std::string& command, const std::string& log,
                           const std::string& then) {
  return "rm -f '" + log + "'; " + command + " 2> '" + log +
         "' & launcher=$!; until grep -qs 'training lidm' '" + log +
         "' || ! kill -0 $launcher; do sleep 0.1; done; sleep 1; " + then +
         "; from=$(date +%s); wait $launcher; code=$?; echo seconds $(($(date +%s) - from)); cat "
         "'" +
         log + "' >&2; exit $code;";
}

TEST_F(TrainProcesses, ADeadRankStopsTheOthersWithinTenSeconds) {
  const Outcome outcome =
      run({"--version"},
          while_training(command("", {"--nproc", "4", "--set", "training.steps=1000000"}),
                         folder_ / "log", "kill -9 $(pgrep -P $launcher | tail -1)"));
  EXPECT_EQ(outcome.exit_code, 4) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("rank 3 was killed by signal 9"),
                                 HasSubstr("[rank 0] echopath: error: process group: ")));
  int seconds = 100;
  ASSERT_EQ(std::sscanf(outcome.out.c_str(), "seconds %d", &seconds), 1) << outcome.out;
  EXPECT_LE(seconds, 10);
}

TEST_F(TrainProcesses, ATerminationSavesOnceAndResumes) {
  for (const char* signal : {"TERM", "USR1"}) {
    fs::remove_all(folder_ / "run");
    const std::string log = folder_ / "log";
    const Outcome outcome =
        run({"--version"},
            while_training(command("", {"--nproc", "2", "--set", "training.steps=1000000"}), log,
                           std::string("kill -") + signal + " $launcher"));
    EXPECT_EQ(outcome.exit_code, 130) << signal << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("[rank 0] echopath: error: stopped by a signal at step"));
    EXPECT_THAT(outcome.err, Not(HasSubstr("[rank 1]")));
  }
  const Outcome dry = run(arguments({"--resume", "--dry-run"}));
  EXPECT_EQ(dry.exit_code, 0) << dry.err;
}

}  // namespace
}  // namespace echopath::cli
