#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>

namespace echopath {

namespace fs = std::filesystem;

/// Whether a file must outlast a loss of power the moment it is there, or can be made again (one of
/// a cache, which its reader checks): syncing takes a millisecond or more.
enum class Durability { kSynced, kUnsynced };

/// A file that appears under its final name only when whole: written to a temporary name beside it,
/// synced, renamed. Destroyed without `commit()`, it leaves nothing behind.
class AtomicFile {
 public:
  /// Creates the parent folders. Throws DataError where they cannot be made.
  explicit AtomicFile(fs::path final_path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// The temporary path to write to (it keeps the final extension, so that libraries that look at
  /// the extension work).
  const fs::path& temporary_path() const { return temporary_path_; }
  /// Appends bytes to the temporary file, for those who need no library to write it. Throws
  /// DataError naming the final path and the reason (a full disk, say).
  void write(std::string_view bytes);
  /// Syncs, unless told not to, and renames. Throws DataError naming the path and the reason.
  void commit(Durability durability = Durability::kSynced);

 private:
  void close();

  fs::path final_path_;
  fs::path temporary_path_;
  int descriptor_ = -1;
  bool committed_ = false;
};

/// The same for a folder: filled under a temporary name, synced, renamed. The final name must be
/// free.
class AtomicDirectory {
 public:
  explicit AtomicDirectory(fs::path final_path);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  const fs::path& temporary_path() const { return temporary_path_; }
  void commit();

 private:
  fs::path final_path_;
  fs::path temporary_path_;
  bool committed_ = false;
};

/// Writes `content` atomically.
void write_file(const fs::path& path, std::string_view content);

/// Reads a whole file. Throws DataError naming the path; a file over `max_bytes` is refused.
std::string read_file(const fs::path& path, std::size_t max_bytes = std::size_t{1} << 30);

/// Where temporary files go: TMPDIR, or else what the system has for it. Throws DataError where
/// that is no folder that can be written.
fs::path temporary_folder();

/// Appends one line and syncs it, for files that grow line by line (manifest, metrics).
class LineAppender {
 public:
  explicit LineAppender(const fs::path& path);
  ~LineAppender();
  LineAppender(const LineAppender&) = delete;
  LineAppender& operator=(const LineAppender&) = delete;
  void append(std::string_view line);

 private:
  fs::path path_;
  int descriptor_ = -1;
};

/// SHA-256 in hexadecimal of a byte string and of a file's content.
std::string sha256_hex(std::string_view bytes);
std::string sha256_file(const fs::path& path);
/// HMAC-SHA-256 in hexadecimal, for keyed pseudonyms.
std::string hmac_sha256_hex(std::string_view key, std::string_view message);

/// Throws DataError("<what> '<path>' …") unless the path is an existing readable folder/file.
void require_directory(const fs::path& path, std::string_view what);
void require_file(const fs::path& path, std::string_view what);

}  // namespace echopath
