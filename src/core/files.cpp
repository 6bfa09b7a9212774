#include "echopath/core/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include "echopath/core/errors.hpp"
#include "echopath/core/leftovers.hpp"
#include "echopath/core/text.hpp"
#include "file_descriptor.hpp"

namespace echopath {
namespace {

fs::path parent_of(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

void make_parent(const fs::path& path) {
  std::error_code error;
  fs::create_directories(parent_of(path), error);
  if (error) {
    throw_file_error("create the folder", parent_of(path), error.value());
  }
}

constexpr const char* kTemporary = ".tmp-";

/// ".name.tmp-<process>-<count>.ext" beside the final name: hidden, unique, the extension kept
/// (both parts of ".nii.gz").
fs::path temporary_beside(const fs::path& final_path) {
  static std::atomic<unsigned> count{0};
  std::string extension = final_path.extension().string();
  std::string stem = final_path.stem().string();
  if (extension == ".gz") {
    extension = fs::path(stem).extension().string() + extension;
    stem = fs::path(stem).stem().string();
  }
  return parent_of(final_path) / ("." + stem + kTemporary + std::to_string(::getpid()) + "-" +
                                  std::to_string(count++) + extension);
}

fs::path checked_final_path(fs::path path) {
  if (path.filename().empty() && path.has_parent_path()) {
    path = path.parent_path();  // "folder/" names the folder
  }
  if (path.filename().empty()) {
    throw DataError("an empty file name cannot be written; give a path");
  }
  return path;
}

void sync_path(const fs::path& path) {
  sync(open_to_read(path).number(), path);
}

void remove_quietly(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

/// Throws DataError where a path leads nowhere, or cannot be followed (a loop of links, a folder
/// without permission). `named` is what it is called, and a space.
void require_exists(const fs::file_status& status, const std::error_code& error,
                    const std::string& named) {
  if (status.type() == fs::file_type::none) {
    throw DataError(named + "cannot be read: " + error.message());
  }
  if (!fs::exists(status)) {
    throw DataError(named + "does not exist; check the path");
  }
}

/// Renames to a name that must be free, in one step where the file system can.
void rename_to_free_name(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return;
  }
  int error = errno;
  if (error == EINVAL || error == ENOSYS) {
    error = fs::exists(to) ? EEXIST : (::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno);
  }
  if (error != 0) {
    throw_file_error("create", to, error);
  }
}

}  // namespace

std::string stem_of_leftover(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::size_t end = name.rfind(kTemporary);
  return name.starts_with(".") && end != std::string::npos && end > 0 ? name.substr(1, end - 1)
                                                                      : "";
}

AtomicFile::AtomicFile(fs::path final_path)
    : final_path_(checked_final_path(std::move(final_path))),
      temporary_path_(temporary_beside(final_path_)) {
  make_parent(final_path_);
}

AtomicFile::~AtomicFile() {
  close();
  if (!committed_) {
    remove_quietly(temporary_path_);
  }
}

void AtomicFile::write(std::string_view bytes) {
  if (descriptor_ < 0) {
    descriptor_ = ::open(temporary_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0) {
      throw_file_error("create", final_path_, errno);
    }
  }
  write_all(descriptor_, final_path_, bytes);
}

void AtomicFile::close() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
    descriptor_ = -1;
  }
}

void AtomicFile::commit(Durability durability) {
  close();
  try {
    if (durability == Durability::kSynced) sync_path(temporary_path_);
  } catch (const DataError& error) {
    throw DataError("cannot finish '" + final_path_.string() + "': " + error.what());
  }
  if (::rename(temporary_path_.c_str(), final_path_.c_str()) != 0) {
    throw_file_error("create", final_path_, errno);
  }
  committed_ = true;
  if (durability == Durability::kSynced) sync_path(parent_of(final_path_));
}

AtomicDirectory::AtomicDirectory(fs::path final_path)
    : final_path_(checked_final_path(std::move(final_path))),
      temporary_path_(temporary_beside(final_path_)) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(final_path_, error))) {
    throw DataError("the folder '" + final_path_.string() +
                    "' exists already; remove it or choose another name");
  }
  make_parent(final_path_);
  if (!fs::create_directory(temporary_path_, error)) {
    throw_file_error("create the folder", final_path_, error ? error.value() : EEXIST);
  }
}

AtomicDirectory::~AtomicDirectory() {
  if (!committed_) {
    remove_quietly(temporary_path_);
  }
}

void AtomicDirectory::commit() {
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(temporary_path_, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (!entry->is_symlink()) {
      sync_path(entry->path());
    }
  }
  if (error) {
    throw_file_error("read the folder", temporary_path_, error.value());
  }
  sync_path(temporary_path_);
  rename_to_free_name(temporary_path_, final_path_);
  committed_ = true;
  sync_path(parent_of(final_path_));
}

void write_file(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

std::string read_file(const fs::path& path, std::size_t max_bytes) {
  const FileDescriptor file = open_to_read(path);
  struct stat status = {};
  if (::fstat(file.number(), &status) != 0) {
    throw_file_error("read", path, errno);
  }
  std::string content;
  const auto refuse_above_limit = [&](std::size_t size) {
    if (size > max_bytes) {
      throw DataError("'" + path.string() + "' is larger than " +
                      human_bytes(static_cast<double>(max_bytes)) +
                      ", the most that is read of such a file");
    }
  };
  // The size is a hint: it is 0 for pipes and for /proc.
  const auto expected = S_ISREG(status.st_mode) ? static_cast<std::size_t>(status.st_size) : 0;
  refuse_above_limit(expected);
  constexpr std::size_t kPiece = 1 << 16;
  for (;;) {
    const std::size_t size = content.size();
    content.resize(size + (expected > size ? expected - size : kPiece));
    const std::size_t got = read_some(file, path, content.data() + size, content.size() - size);
    content.resize(size + got);
    refuse_above_limit(content.size());
    if (got == 0) {
      return content;
    }
  }
}

fs::path temporary_folder() {
  std::error_code error;
  fs::path folder = fs::temp_directory_path(error);
  if (!error && ::access(folder.c_str(), W_OK | X_OK) != 0)
    error = {errno, std::generic_category()};
  if (!error) return folder;
  if (folder.empty()) folder = std::getenv("TMPDIR") != nullptr ? std::getenv("TMPDIR") : "/tmp";
  throw DataError("no temporary files can be made in '" + folder.string() +
                  "': " + error.message() + "; set TMPDIR to a folder that you may write");
}

LineAppender::LineAppender(const fs::path& path) : path_(path) {
  make_parent(path_);
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    throw_file_error("open", path_, errno);
  }
  // A line cut off by a crash is ended, so that the next one stands by itself.
  char last = '\n';
  const off_t size = ::lseek(descriptor_, 0, SEEK_END);
  if (size > 0 && ::pread(descriptor_, &last, 1, size - 1) == 1 && last != '\n') {
    write_all(descriptor_, path_, "\n");
  }
}

LineAppender::~LineAppender() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

void LineAppender::append(std::string_view line) {
  if (line.find('\n') != std::string_view::npos) {
    throw std::invalid_argument("LineAppender::append takes one line without its end");
  }
  const off_t size_before = ::lseek(descriptor_, 0, SEEK_END);
  try {
    write_all(descriptor_, path_, std::string(line) + "\n");
    sync(descriptor_, path_);
  } catch (const DataError&) {
    if (size_before >= 0 && ::ftruncate(descriptor_, size_before) != 0) {
      // A device or pipe: nothing of the broken line can be taken back.
    }
    throw;
  }
}

void require_directory(const fs::path& path, std::string_view what) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  const std::string named = std::string(what) + " '" + path.string() + "' ";
  require_exists(status, error, named);
  if (!fs::is_directory(status)) {
    throw DataError(named + "is not a folder");
  }
  if (::access(path.c_str(), R_OK | X_OK) != 0) {
    throw DataError(named + "cannot be read: " + std::generic_category().message(errno));
  }
}

void require_file(const fs::path& path, std::string_view what) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  const std::string named = std::string(what) + " '" + path.string() + "' ";
  require_exists(status, error, named);
  if (fs::is_directory(status)) {
    throw DataError(named + "is a folder, not a file");
  }
  if (::access(path.c_str(), R_OK) != 0) {
    throw DataError(named + "cannot be read: " + std::generic_category().message(errno));
  }
}

}  // namespace echopath
