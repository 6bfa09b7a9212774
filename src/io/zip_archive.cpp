#include "io/zip_archive.hpp"

#include <zip.h>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::io {
namespace {

struct CloseEntry {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

}  // namespace

void ZipArchive::Close::operator()(zip* archive) const {
  zip_discard(archive);
}

ZipArchive::ZipArchive(const std::filesystem::path& path) : path_(path) {
  int code = 0;
  archive_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (archive_ == nullptr) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw DataError("'" + path.string() + "': not a readable zip archive: " + reason);
  }
  std::error_code ignored;
  file_size_ = std::filesystem::file_size(path, ignored);
}

std::vector<std::string> ZipArchive::names() const {
  std::vector<std::string> names;
  const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_GUESS);
    if (name != nullptr) {
      names.emplace_back(name);
    }
  }
  return names;
}

bool ZipArchive::contains(const std::string& name) const {
  return zip_name_locate(archive_.get(), name.c_str(), 0) >= 0;
}

std::uint64_t ZipArchive::size(const std::string& name) const {
  zip_stat_t status;
  if (zip_stat(archive_.get(), name.c_str(), 0, &status) != 0) {
    fail(name, "is missing");
  }
  constexpr zip_uint64_t kNeeded = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  if ((status.valid & kNeeded) != kNeeded || status.comp_method != ZIP_CM_STORE ||
      status.comp_size != status.size ||
      ((status.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 &&
       status.encryption_method != ZIP_EM_NONE)) {
    fail(name, "is compressed or encrypted, which torch.save does not do");
  }
  if (status.size > file_size_) {
    fail(name, "claims more bytes than the file has");
  }
  return status.size;
}

void ZipArchive::read(const std::string& name, char* out, std::size_t length) const {
  const std::unique_ptr<zip_file_t, CloseEntry> file(zip_fopen(archive_.get(), name.c_str(), 0));
  if (file == nullptr) {
    fail(name, std::string("cannot be read: ") + zip_strerror(archive_.get()));
  }
  std::size_t done = 0;
  while (done < length) {
    const zip_int64_t got = zip_fread(file.get(), out + done, length - done);
    if (got <= 0) {
      fail(name, "is cut off or damaged");
    }
    done += static_cast<std::size_t>(got);
  }
  // The checksum is compared when the end is reached.
  char beyond = 0;
  if (zip_fread(file.get(), &beyond, 1) != 0) {
    fail(name, "is damaged: its checksum differs");
  }
}

std::string ZipArchive::read_text(const std::string& name, std::size_t max_bytes) const {
  const std::uint64_t length = size(name);
  if (length > max_bytes) {
    fail(name, "is larger than " + human_bytes(static_cast<double>(max_bytes)));
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  read(name, text.data(), text.size());
  return text;
}

void ZipArchive::fail(const std::string& name, const std::string& what) const {
  throw DataError("'" + path_.string() + "': the entry " + quoted_text(name) + " " + what);
}

}  // namespace echopath::io
