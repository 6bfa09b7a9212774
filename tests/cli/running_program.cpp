#include "cli/running_program.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

namespace echopath::cli::testing {

RunningProgram::RunningProgram(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), ECHOPATH_BINARY);
  process_ = ::fork();
  if (process_ != 0) return;
  const int nowhere = ::open("/dev/null", O_WRONLY);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(nowhere, STDERR_FILENO);
  std::vector<char*> list;
  for (std::string& argument : arguments) list.push_back(argument.data());
  list.push_back(nullptr);
  ::execv(list[0], list.data());
  ::_exit(127);
}

RunningProgram::~RunningProgram() {
  if (!ended()) kill();
}

void RunningProgram::kill() {
  // The launcher's processes would be told to end; these are not to notice.
  const std::string number = std::to_string(process_);
  std::ifstream children("/proc/" + number + "/task/" + number + "/children");
  for (pid_t child = 0; children >> child;) ::kill(child, SIGKILL);
  ::kill(process_, SIGKILL);
  wait();
}

void RunningProgram::note(pid_t result, double peak_kilobytes) {
  if (result != process_) return;
  over_ = true;
  peak_bytes_ = peak_kilobytes * 1024.0;
}

bool RunningProgram::ended() {
  if (over_) return true;
  rusage usage{};
  const pid_t result = ::wait4(process_, &status_, WNOHANG, &usage);
  note(result, static_cast<double>(usage.ru_maxrss));
  return over_;
}

void RunningProgram::wait() {
  if (over_) return;
  rusage usage{};
  const pid_t result = ::wait4(process_, &status_, 0, &usage);
  note(result, static_cast<double>(usage.ru_maxrss));
}

bool RunningProgram::succeeded() const {
  return WIFEXITED(status_) && WEXITSTATUS(status_) == 0;
}

}  // namespace echopath::cli::testing
