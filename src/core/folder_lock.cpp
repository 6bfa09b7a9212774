#include "echopath/core/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"

namespace echopath {

FolderLock::FolderLock(const std::filesystem::path& folder, const std::string& doing) {
  const std::filesystem::path path = folder / ".lock";
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) return;  // what comes next to be written there tells why
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const bool taken = errno == EWOULDBLOCK;
  ::close(std::exchange(descriptor_, -1));
  if (taken) {
    throw UsageError("another program is " + doing + " in '" + folder.string() +
                     "'; wait for it, stop it, or choose another --out");
  }
  log_warning("'" + folder.string() +
              "' is on a file system without locks: see to it that one program alone is " + doing +
              " there");
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace echopath
