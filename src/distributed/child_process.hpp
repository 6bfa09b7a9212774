#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace echopath::distributed {

/// An open file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  void reset();

 private:
  int number_;
};

/// One output of a child. Passes on whole lines, each behind a prefix; with an empty prefix,
/// whatever comes as it comes.
class LineRelay {
 public:
  LineRelay(Descriptor source, int destination, std::string prefix);
  const Descriptor& source() const { return source_; }
  /// Reads what is there and passes it on; closes at the end of the stream.
  void pump();

 private:
  void write_out(std::string_view text) const;

  Descriptor source_;
  int destination_;
  std::string prefix_;
  std::string pending_;  ///< a line whose end has not come yet
};

/// A process started by the launcher, in a process group of its own so that a Ctrl-C at the
/// terminal reaches it once, through the launcher.
struct ChildProcess {
  pid_t pid = -1;
  int rank = 0;
  bool running = true;
  std::vector<LineRelay> outputs;
};

/// Starts `argv` with `variables` ("NAME=value", complete). Throws DeviceError.
ChildProcess start_child(int rank, const std::vector<std::string>& argv,
                         const std::vector<std::string>& variables);

}  // namespace echopath::distributed
