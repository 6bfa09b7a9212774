#include "echopath/distributed/launcher.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>

#include "distributed/child_process.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"

namespace echopath::distributed {
namespace {

using Clock = std::chrono::steady_clock;
/// What processes that fail together need to leave by themselves.
constexpr std::chrono::seconds kLeaving(1);
constexpr std::array<int, 3> kForwarded = {SIGINT, SIGTERM, SIGUSR1};
volatile sig_atomic_t g_signal = 0;

void remember_signal(int number) {
  g_signal = number;
}

/// Catches the forwarded signals while it lives.
class SignalCatcher {
 public:
  SignalCatcher() {
    g_signal = 0;
    struct sigaction action = {};
    action.sa_handler = remember_signal;
    for (std::size_t i = 0; i < kForwarded.size(); ++i) {
      sigaction(kForwarded[i], &action, &before_[i]);
    }
  }
  ~SignalCatcher() {
    for (std::size_t i = 0; i < kForwarded.size(); ++i) {
      sigaction(kForwarded[i], &before_[i], nullptr);
    }
  }
  SignalCatcher(const SignalCatcher&) = delete;
  SignalCatcher& operator=(const SignalCatcher&) = delete;
  /// The signal that came since the last call, or 0.
  int take() {
    const int number = g_signal;
    g_signal = 0;
    return number;
  }

 private:
  std::array<struct sigaction, kForwarded.size()> before_{};
};

/// A TCP port of the loopback interface that was free a moment ago.
int free_port() {
  const Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (!listener.is_open() || bind(listener.get(), generic, size) != 0 ||
      getsockname(listener.get(), generic, &size) != 0) {
    throw DeviceError(std::string("no free TCP port on 127.0.0.1: ") + std::strerror(errno));
  }
  return ntohs(address.sin_port);
}

/// This process's variables with torchrun's set for one rank.
std::vector<std::string> variables_for(int rank, int nproc, int port) {
  std::vector<std::string> added = {"RANK=" + std::to_string(rank),
                                    "LOCAL_RANK=" + std::to_string(rank),
                                    "WORLD_SIZE=" + std::to_string(nproc), "MASTER_ADDR=127.0.0.1",
                                    "MASTER_PORT=" + std::to_string(port)};
  if (std::getenv("OMP_NUM_THREADS") == nullptr) {
    const int cores = static_cast<int>(std::thread::hardware_concurrency());
    added.push_back("OMP_NUM_THREADS=" + std::to_string(std::max(1, cores / nproc)));
  }
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('=') + 1);
    const bool replaced = std::any_of(added.begin(), added.end(), [&](const std::string& other) {
      return other.rfind(name, 0) == 0;
    });
    if (!replaced) {
      variables.push_back(text);
    }
  }
  variables.insert(variables.end(), added.begin(), added.end());
  return variables;
}

/// The running processes of one launch.
class Crew {
 public:
  explicit Crew(const LaunchOptions& options) : options_(options) {}
  ~Crew() {
    signal_all(SIGKILL);
    for (const ChildProcess& child : children_) {
      if (child.running) {
        waitpid(child.pid, nullptr, 0);
      }
    }
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  void add(ChildProcess child) { children_.push_back(std::move(child)); }
  bool is_running() const {
    return std::any_of(children_.begin(), children_.end(),
                       [](const ChildProcess& child) { return child.running; });
  }
  /// Passes a signal on; anything but SIGUSR1 starts the grace period.
  void pass_on(int signal_number) {
    signal_all(signal_number);
    interrupted_ = true;
    if (signal_number != SIGUSR1) {
      kill_after(options_.grace);
    }
  }
  /// Waits up to 100 ms for output, passes it on, and looks for processes that ended.
  void attend() {
    relay_output();
    for (ChildProcess& child : children_) {
      int status = 0;
      if (child.running && waitpid(child.pid, &status, WNOHANG) == child.pid) {
        child.running = false;
        note_end(child, status);
      }
    }
    if (stop_at_ && Clock::now() > *stop_at_ && is_running()) {
      stop_at_.reset();
      log_error(failure_ + "the other processes are asked to stop");
      signal_all(SIGTERM);
      kill_after(options_.failure_grace);
    }
    if (deadline_ && Clock::now() > *deadline_) {
      signal_all(SIGKILL);
    }
  }
  /// Passes on what the ended processes had still written.
  void drain() {
    for (ChildProcess& child : children_) {
      for (LineRelay& output : child.outputs) {
        output.pump();
      }
    }
  }
  int exit_code() const { return exit_code_.value_or(0); }

 private:
  void signal_all(int signal_number) {
    for (const ChildProcess& child : children_) {
      if (child.running) {
        kill(child.pid, signal_number);
      }
    }
  }
  void kill_after(std::chrono::milliseconds grace) {
    if (!deadline_) {
      deadline_ = Clock::now() + grace;
    }
  }
  void relay_output() {
    std::vector<pollfd> waits;
    for (const ChildProcess& child : children_) {
      for (const LineRelay& output : child.outputs) {
        waits.push_back({output.source().get(), POLLIN, 0});  // poll ignores a closed one (−1)
      }
    }
    constexpr int kPollMilliseconds = 100;
    if (poll(waits.data(), waits.size(), kPollMilliseconds) > 0) {
      drain();
    }
  }
  void note_end(const ChildProcess& child, int status) {
    const bool killed = WIFSIGNALED(status);
    // A signal that was passed on may come before the process catches it. Anything else that kills
    // one, out of memory or out of patience, leaves nothing saved.
    const bool as_asked =
        killed && interrupted_ &&
        std::find(kForwarded.begin(), kForwarded.end(), WTERMSIG(status)) != kForwarded.end();
    const ExitCode killed_code = as_asked ? ExitCode::kInterrupted : ExitCode::kDevice;
    const int code = killed ? static_cast<int>(killed_code) : WEXITSTATUS(status);
    const bool outdone = exit_code_ == static_cast<int>(ExitCode::kInterrupted) &&
                         code == static_cast<int>(ExitCode::kDevice);
    if (code == 0 || (exit_code_ && !outdone)) {
      return;
    }
    exit_code_ = code;
    if (code == static_cast<int>(ExitCode::kInterrupted)) {
      return;
    }
    const std::string rank = "rank " + std::to_string(child.rank);
    if (killed) {
      log_error(rank + " was killed by signal " + std::to_string(WTERMSIG(status)));
    } else {
      failure_ = rank + " ended with exit code " + std::to_string(code) + "; ";
    }
    stop_at_ = Clock::now() + kLeaving;
  }

  LaunchOptions options_;
  bool interrupted_ = false;
  std::vector<ChildProcess> children_;
  std::optional<int> exit_code_;
  std::string failure_;  ///< what is still to be said of the process that failed first
  std::optional<Clock::time_point> stop_at_;   ///< when the others are asked to stop
  std::optional<Clock::time_point> deadline_;  ///< when they are killed
};

}  // namespace

int launch_local(int nproc, const std::vector<std::string>& argv, const LaunchOptions& options) {
  if (nproc < 1 || argv.empty()) {
    throw UsageError("--nproc " + std::to_string(nproc) +
                     " should be at least 1, with a command to run");
  }
  SignalCatcher signals;
  Crew crew(options);
  const int port = free_port();
  for (int rank = 0; rank < nproc; ++rank) {
    crew.add(start_child(rank, argv, variables_for(rank, nproc, port)));
  }
  while (crew.is_running()) {
    if (const int number = signals.take()) {
      crew.pass_on(number);
    }
    crew.attend();
  }
  crew.drain();
  return crew.exit_code();
}

}  // namespace echopath::distributed
