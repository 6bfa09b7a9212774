#include "echopath/distributed/launcher.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "echopath/core/errors.hpp"

namespace echopath::distributed {
namespace {

using Clock = std::chrono::steady_clock;

int run_processes(int nproc, const std::string& worker, const LaunchOptions& options = {}) {
  return launch_local(nproc, {"/proc/self/exe", "--worker", worker}, options);
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

TEST(Launcher, GivesEveryProcessItsPlaceAndItsPrefix) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = run_processes(2, "says_rank");
  const std::string out = testing::internal::GetCapturedStdout();
  const std::string err = testing::internal::GetCapturedStderr();
  EXPECT_EQ(code, 0);
  EXPECT_EQ(out, "result of 0 of 2\n");
  EXPECT_NE(err.find("[rank 1] result of 1 of 2\n"), std::string::npos) << err;
  EXPECT_NE(err.find("[rank 0] note of 0\n"), std::string::npos) << err;
  EXPECT_NE(err.find("[rank 1] note of 1\n"), std::string::npos) << err;
}

TEST(Launcher, StopsTheOthersWhenOneFailsAndReturnsItsCode) {
  const auto start = Clock::now();
  EXPECT_EQ(run_processes(3, "fails_on_one"), static_cast<int>(ExitCode::kData));
  EXPECT_LT(seconds_since(start), 10.0);
}

TEST(Launcher, CountsAKilledProcessAsADeviceFailure) {
  EXPECT_EQ(run_processes(2, "killed_on_one"), static_cast<int>(ExitCode::kDevice));
}

TEST(Launcher, KillsAProcessThatDoesNotStopWithinTheGracePeriod) {
  const auto start = Clock::now();
  EXPECT_EQ(run_processes(2, "deaf", {.failure_grace = std::chrono::milliseconds(300)}),
            static_cast<int>(ExitCode::kData));
  EXPECT_LT(seconds_since(start), 10.0);
}

TEST(Launcher, AProcessThatHadToBeKilledWasNotInterrupted) {
  EXPECT_EQ(run_processes(2, "stops_its_launcher", {.grace = std::chrono::milliseconds(500)}),
            static_cast<int>(ExitCode::kDevice));
}

TEST(Launcher, PassesATerminationOn) {
  const auto start = Clock::now();
  const pid_t self = getpid();
  std::thread sender([self] {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    kill(self, SIGTERM);
  });
  EXPECT_EQ(run_processes(2, "sleeps"), static_cast<int>(ExitCode::kInterrupted));
  sender.join();
  EXPECT_LT(seconds_since(start), 30.0);
}

TEST(Launcher, ReportsAProgramThatDoesNotExist) {
  testing::internal::CaptureStderr();
  const int code = launch_local(1, {"/nonexistent/program"});
  EXPECT_EQ(code, 127);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("cannot start /nonexistent/program"),
            std::string::npos);
}

TEST(Launcher, RefusesSenselessArguments) {
  EXPECT_THROW(launch_local(0, {"true"}), UsageError);
  EXPECT_THROW(launch_local(2, {}), UsageError);
}

}  // namespace
}  // namespace echopath::distributed
