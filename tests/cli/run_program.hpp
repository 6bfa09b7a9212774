#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace echopath::cli::testing {

/// What a run of the built program came to.
struct Outcome {
  int exit_code = -1;
  std::string out;  ///< standard output
  std::string err;  ///< standard error
};

/// Runs the built program with these arguments. `prefix` is shell code put before it, such as
/// "ECHOPATH_HOME=/x" or "ulimit -f 1;".
Outcome run(const std::vector<std::string>& arguments, const std::string& prefix = "");

/// The last line of a text, without its end.
std::string last_line(const std::string& text);

void write_text(const std::filesystem::path& path, const std::string& text);

/// A folder that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// The path of something in it, as text for a command line.
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace echopath::cli::testing
