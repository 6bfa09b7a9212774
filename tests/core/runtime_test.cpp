#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "core/temporary_directory.hpp"
#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/progress.hpp"

namespace echopath {
namespace {

/// Runs `body` in a child process, whose standard error goes to `log`; gives the wait status.
int in_child(const fs::path& log, const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    if (freopen(log.c_str(), "w", stderr) == nullptr) {
      _exit(99);
    }
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST(ParseDevice, KnowsTheCpuAndRefusesOtherWords) {
  EXPECT_EQ(parse_device("cpu"), at::Device(at::kCPU));
  for (const char* name :
       {"gpu", "", "cuda:", "cuda:x", "cuda:1x", "cuda:-1", "cuda:99999999999"}) {
    expect_error<UsageError>([&] { parse_device(name); }, "use auto, cpu, cuda or cuda:<index>");
  }
}

TEST(ParseDevice, AutoIsCudaWhereThereIsOne) {
  const at::Device expected = at::hasCUDA() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  EXPECT_EQ(parse_device("auto"), expected);
  if (at::hasCUDA()) {
    EXPECT_EQ(parse_device("cuda"), at::Device(at::kCUDA, 0));
  } else {
    expect_error<DeviceError>([] { parse_device("cuda"); }, "no CUDA device");
  }
  expect_error<DeviceError>([] { parse_device("cuda:120"); }, "device 'cuda:120'");
}

TEST(SetThreads, SetsAndRefusesNegativeNumbers) {
  const int before = at::get_num_threads();
  set_threads(1);
  EXPECT_EQ(at::get_num_threads(), 1);
  set_threads(0);
  EXPECT_EQ(at::get_num_threads(), 1);
  expect_error<UsageError>([] { set_threads(-1); }, "--threads is -1");
  at::set_num_threads(before);
}

TEST(Interrupt, FirstSignalSetsTheFlag) {
  const TemporaryDirectory folder;
  for (const int number : {SIGINT, SIGTERM, SIGUSR1}) {
    const int status = in_child(folder / "log", [number] {
      install_interrupt_handlers();
      if (interrupt_requested()) {
        return 1;
      }
      throw_if_interrupted("not yet");
      std::raise(number);
      try {
        throw_if_interrupted("saved step 5");
      } catch (const Interrupted& error) {
        return error.what() == std::string("saved step 5") &&
                       error.exit_code() == ExitCode::kInterrupted
                   ? 0
                   : 2;
      }
      return 3;
    });
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << number << " " << status;
  }
}

TEST(Interrupt, SecondSigintKillsButSecondSigtermDoesNot) {
  const TemporaryDirectory folder;
  const int killed = in_child(folder / "log", [] {
    install_interrupt_handlers();
    std::raise(SIGINT);
    std::raise(SIGINT);
    return 0;
  });
  EXPECT_TRUE(WIFSIGNALED(killed) && WTERMSIG(killed) == SIGINT) << killed;
  const int alive = in_child(folder / "log", [] {
    install_interrupt_handlers();
    std::raise(SIGTERM);
    std::raise(SIGTERM);
    std::raise(SIGINT);
    return 7;
  });
  EXPECT_TRUE(WIFEXITED(alive) && WEXITSTATUS(alive) == 7) << alive;
}

TEST(Logging, UnknownLevelIsAUsageErrorWithTheNearestName) {
  expect_error<UsageError>([] { initialise_logging("wrn", false); }, "did you mean 'warn'");
}

TEST(Logging, LevelsApplyToStandardErrorAndTheFile) {
  const TemporaryDirectory folder;
  const int status = in_child(folder / "stderr", [&] {
    initialise_logging("info", true);
    add_log_file(folder / "log.txt");
    log_debug("hidden");
    log_info("steps {} done");
    log_warning("careful");
    log_error("broken");
    return info_lines_wanted() ? 1 : 0;
  });
  ASSERT_EQ(status, 0);
  const std::string screen = read_file(folder / "stderr");
  EXPECT_EQ(screen.find("steps"), std::string::npos) << screen;
  EXPECT_THAT(screen, testing::HasSubstr("careful"));
  EXPECT_THAT(screen, testing::HasSubstr("broken"));
  const std::string file = read_file(folder / "log.txt");
  EXPECT_THAT(file, testing::HasSubstr("info steps {} done\n"));
  EXPECT_THAT(file, testing::HasSubstr("warning careful\n"));
  EXPECT_EQ(file.find("hidden"), std::string::npos) << file;
}

TEST(Logging, AFileThatCannotBeOpenedIsADataError) {
  expect_error<DataError>([] { add_log_file("/proc/no/such/log.txt"); },
                          "cannot open the log file");
}

TEST(Progress, WritesOnePlainLineAtTheEndWithoutATerminal) {
  const TemporaryDirectory folder;
  const int status = in_child(folder / "stderr", [] {
    initialise_logging("info", false);
    Progress progress("training", 8, 2);
    progress.update(4, "loss 0.5");
    progress.update(8, "loss 0.25");
    progress.finish();
    progress.finish();
    return 0;
  });
  ASSERT_EQ(status, 0);
  const std::string screen = read_file(folder / "stderr");
  EXPECT_THAT(screen, testing::HasSubstr("training 8/8 (100 %) in 0.0 s, loss 0.25\n"));
  EXPECT_EQ(std::count(screen.begin(), screen.end(), '\n'), 1) << screen;
}

/// What `body` writes to a terminal of `columns` columns, as standard error of a child process.
std::string on_terminal(unsigned short columns, const std::function<void()>& body) {
  int master = -1, slave = -1;
  const winsize size{24, columns, 0, 0};
  if (openpty(&master, &slave, nullptr, nullptr, &size) != 0) return "no terminal";
  const pid_t child = fork();
  if (child == 0) {
    dup2(slave, STDERR_FILENO);
    body();
    _exit(0);
  }
  close(slave);
  std::string seen;
  char bytes[512];
  for (ssize_t count = 0; (count = read(master, bytes, sizeof(bytes))) > 0;) {
    seen.append(bytes, static_cast<std::size_t>(count));
  }
  close(master);
  waitpid(child, nullptr, 0);
  return seen;
}

TEST(Progress, DrawsABarOnATerminalAndReplacesItByTheLastLine) {
  const std::string screen = on_terminal(120, [] {
    initialise_logging("info", false);
    Progress progress("training", 8, 2);
    progress.update(4, "loss 0.5");
    progress.update(8, "loss 0.25");
    progress.finish();
  });
  EXPECT_THAT(screen, testing::StartsWith("\r\033[Ktraining [==========>         ] 4/8 (50 %), "));
  EXPECT_THAT(screen, testing::HasSubstr(" s left, loss 0.5\r\033[Ktraining 8/8 (100 %) in "));
  EXPECT_THAT(screen, testing::EndsWith(" s, loss 0.25\r\n"));
}

TEST(Progress, IsFittedToTheTerminalsWidth) {
  const std::string screen = on_terminal(22, [] {
    initialise_logging("info", false);
    Progress progress("training", 8, 2);
    progress.update(4, "loss 0.5");
  });
  // 21 columns: no bar, no label, no percentage, no commas; then it is cut.
  EXPECT_THAT(screen, testing::StartsWith("\r\033[K4/8 "));
  EXPECT_THAT(screen, testing::HasSubstr(" s left "));
  EXPECT_EQ(screen.size(), std::string("\r\033[K").size() + 21 + std::string("\r\n").size());
}

}  // namespace
}  // namespace echopath
