#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace echopath::cli::testing {

/// The built program as a process of its own, to be waited for or killed. What it prints goes
/// nowhere.
class RunningProgram {
 public:
  explicit RunningProgram(std::vector<std::string> arguments);
  ~RunningProgram();
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  /// SIGKILL to it and to the processes that it started.
  void kill();
  bool ended();
  void wait();
  bool succeeded() const;
  /// The most memory that it held, in bytes; once it has ended.
  double peak_bytes() const { return peak_bytes_; }

 private:
  void note(pid_t result, double peak_kilobytes);

  pid_t process_ = 0;
  int status_ = 0;
  double peak_bytes_ = 0.0;
  bool over_ = false;
};

}  // namespace echopath::cli::testing
