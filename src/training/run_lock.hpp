#pragma once

#include <filesystem>

namespace echopath::training {

/// Keeps a run directory to one program for as long as this lives; the system lets go of it even
/// where the program is killed. Made of the file `.lock` in it.
class RunLock {
 public:
  RunLock() = default;
  /// Throws UsageError where another program trains in this directory.
  explicit RunLock(const std::filesystem::path& run_directory);
  ~RunLock();
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&& other) noexcept;
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace echopath::training
