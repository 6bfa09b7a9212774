#pragma once

#include <filesystem>
#include <string>

namespace echopath {

/// Keeps a folder to one program for as long as this lives; the system lets go of it even
/// where the program is killed. Made of the file `.lock` in it.
class FolderLock {
 public:
  FolderLock() = default;
  /// `doing` says what for: training, sampling. Throws UsageError where another program has it.
  FolderLock(const std::filesystem::path& folder, const std::string& doing);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace echopath
