#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace echopath::io {

/// A file's bytes in memory, mapped on demand. Writing to them changes this process's copy only.
class MappedFile {
 public:
  /// Throws DataError where the file cannot be opened or is not a regular file.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  /// Gives the whole pages between two bytes back to the system; they come back from the file when
  /// touched again, without what was written to them.
  void forget(std::size_t begin, std::size_t end) const;

  char* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::string_view bytes() const { return {data_, size_}; }

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace echopath::io
