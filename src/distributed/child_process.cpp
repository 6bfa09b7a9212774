#include "distributed/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "echopath/core/errors.hpp"

namespace echopath::distributed {
namespace {

constexpr int kExecFailed = 127;

struct Pipe {
  Descriptor read;
  Descriptor write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw DeviceError(std::string("cannot make a pipe for a process: ") + std::strerror(errno));
  }
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) {
    pointers.push_back(const_cast<char*>(text.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

/// Between fork and exec: only calls that are safe there.
[[noreturn]] void become(char* const* argv, char* const* variables, int out, int err,
                         pid_t launcher) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);  // a killed launcher leaves no orphans
  if (getppid() != launcher) {
    _exit(kExecFailed);
  }
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvpe(argv[0], argv, variables);
  // strerror may take locks that another thread held at the fork.
  const std::array<const char*, 5> message = {"cannot start ", argv[0], ": ",
                                              strerrordesc_np(errno), "\n"};
  for (const char* part : message) {
    if (write(STDERR_FILENO, part, std::strlen(part)) < 0) {
      break;
    }
  }
  _exit(kExecFailed);
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    reset();
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}

void Descriptor::reset() {
  if (number_ >= 0) {
    close(number_);
    number_ = -1;
  }
}

LineRelay::LineRelay(Descriptor source, int destination, std::string prefix)
    : source_(std::move(source)), destination_(destination), prefix_(std::move(prefix)) {
  fcntl(source_.get(), F_SETFL, O_NONBLOCK);
}

void LineRelay::write_out(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = write(destination_, text.data(), text.size());
    if (written < 0 && errno != EINTR && errno != EAGAIN) {
      return;  // nobody listens any more; the run goes on
    }
    text.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
  }
}

void LineRelay::pump() {
  std::array<char, 1 << 16> buffer;
  ssize_t count = 0;
  while (source_.is_open() && (count = read(source_.get(), buffer.data(), buffer.size())) > 0) {
    pending_.append(buffer.data(), static_cast<std::size_t>(count));
  }
  const bool ended = count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR);
  if (ended) {
    source_.reset();
  }
  if (prefix_.empty()) {
    write_out(std::exchange(pending_, ""));
    return;
  }
  std::size_t stop = 0;
  while ((stop = pending_.find('\n')) != std::string::npos) {
    write_out(prefix_ + pending_.substr(0, stop + 1));
    pending_.erase(0, stop + 1);
  }
  if (ended && !pending_.empty()) {
    write_out(prefix_ + std::exchange(pending_, "") + "\n");
  }
}

ChildProcess start_child(int rank, const std::vector<std::string>& argv,
                         const std::vector<std::string>& variables) {
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  const std::vector<char*> arguments = pointers_to(argv);
  const std::vector<char*> environment = pointers_to(variables);
  const pid_t launcher = getpid();
  ChildProcess child;
  child.rank = rank;
  child.pid = fork();
  if (child.pid < 0) {
    throw DeviceError("cannot start process " + std::to_string(rank) + ": " + std::strerror(errno));
  }
  if (child.pid == 0) {
    become(arguments.data(), environment.data(), out.write.get(), err.write.get(), launcher);
  }
  setpgid(child.pid, child.pid);  // also here, so that it holds before either side goes on
  const std::string prefix = "[rank " + std::to_string(rank) + "] ";
  const bool speaks = rank == 0;
  child.outputs.emplace_back(std::move(out.read), speaks ? STDOUT_FILENO : STDERR_FILENO,
                             speaks ? "" : prefix);
  child.outputs.emplace_back(std::move(err.read), STDERR_FILENO, prefix);
  return child;
}

}  // namespace echopath::distributed
