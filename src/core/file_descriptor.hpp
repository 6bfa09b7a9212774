#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace echopath {

/// An open file of the operating system, closed at the end of its scope.
class FileDescriptor {
 public:
  explicit FileDescriptor(int number) : number_(number) {}
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int number() const { return number_; }

 private:
  int number_;
};

/// Throws DataError("cannot <action> '<path>': <reason>[; remedy]") for an errno value.
[[noreturn]] void throw_file_error(std::string_view action, const std::filesystem::path& path,
                                   int error);

/// Opens an existing file or folder for reading. Throws DataError.
FileDescriptor open_to_read(const std::filesystem::path& path);
/// Reads up to `capacity` bytes; 0 at the end of the file. Throws DataError.
std::size_t read_some(const FileDescriptor& file, const std::filesystem::path& path, char* buffer,
                      std::size_t capacity);
/// Writes all of `content`. Throws DataError.
void write_all(int descriptor, const std::filesystem::path& path, std::string_view content);
/// Flushes to the storage device; a file that cannot be synced (a device, a pipe) is left alone.
/// Throws DataError.
void sync(int descriptor, const std::filesystem::path& path);

}  // namespace echopath
