#include "file_descriptor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "echopath/core/errors.hpp"

namespace echopath {

FileDescriptor::~FileDescriptor() {
  if (number_ >= 0) {
    ::close(number_);
  }
}

void throw_file_error(std::string_view action, const std::filesystem::path& path, int error) {
  std::string message = "cannot " + std::string(action) + " '" + path.string() +
                        "': " + std::generic_category().message(error);
  if (error == ENOSPC || error == EDQUOT) {
    message += "; the disk is full: free some space or choose another folder";
  }
  throw DataError(message);
}

FileDescriptor open_to_read(const std::filesystem::path& path) {
  const int number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (number < 0) {
    throw_file_error("open", path, errno);
  }
  return FileDescriptor(number);
}

std::size_t read_some(const FileDescriptor& file, const std::filesystem::path& path, char* buffer,
                      std::size_t capacity) {
  for (;;) {
    const ssize_t got = ::read(file.number(), buffer, capacity);
    if (got >= 0) {
      return static_cast<std::size_t>(got);
    }
    if (errno != EINTR) {
      throw_file_error("read", path, errno);
    }
  }
}

void write_all(int descriptor, const std::filesystem::path& path, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(descriptor, content.data(), content.size());
    if (written >= 0) {
      content.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      throw_file_error("write", path, errno);
    }
  }
}

void sync(int descriptor, const std::filesystem::path& path) {
  if (::fsync(descriptor) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EROFS) {
    throw_file_error("write", path, errno);
  }
}

}  // namespace echopath
