#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

struct zip;

namespace echopath::io {

/// A zip archive of stored (uncompressed) entries, opened for reading.
class ZipArchive {
 public:
  /// Throws DataError with libzip's reason.
  explicit ZipArchive(const std::filesystem::path& path);

  std::vector<std::string> names() const;
  bool contains(const std::string& name) const;
  /// Size of an entry. Throws DataError where it is absent, compressed, encrypted or larger than
  /// the archive.
  std::uint64_t size(const std::string& name) const;
  /// Reads a whole entry of `length` = size(name) bytes and checks its CRC. Throws DataError.
  void read(const std::string& name, char* out, std::size_t length) const;
  /// The same as text; refused over `max_bytes`.
  std::string read_text(const std::string& name, std::size_t max_bytes) const;

 private:
  struct Close {
    void operator()(zip* archive) const;
  };
  [[noreturn]] void fail(const std::string& name, const std::string& what) const;

  std::filesystem::path path_;
  std::uint64_t file_size_ = 0;
  std::unique_ptr<zip, Close> archive_;
};

}  // namespace echopath::io
