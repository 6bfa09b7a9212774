#include "data/import_pseudonyms.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"

namespace echopath::data {
namespace {

constexpr std::size_t kShortestKey = 16;
constexpr std::size_t kNameLength = 16;

std::string random_key() {
  std::array<unsigned char, 32> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw Error(ExitCode::kInternal, "the system gave no random bytes for the hash key");
  }
  std::string key;
  for (const unsigned char byte : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    key += digits;
  }
  return key;
}

fs::path beside(fs::path out) {
  if (out.filename().empty()) out = out.parent_path();
  out += ".key";
  return out;
}

}  // namespace

Pseudonyms::Pseudonyms(const fs::path& key_file, const fs::path& out) {
  key_file_ = key_file.empty() ? beside(out) : key_file;
  if (key_file.empty() && !fs::exists(key_file_)) {
    key_ = random_key();
    made_here_ = true;
    return;
  }
  if (!fs::exists(key_file_)) {
    throw DataError("hash key file '" + key_file_.string() + "' does not exist; put at least " +
                    std::to_string(kShortestKey) +
                    " random characters into it, or leave the option out to have a key made");
  }
  require_file(key_file_, "hash key file");
  key_ = trim(read_file(key_file_, 1 << 16));
  if (key_.size() < kShortestKey) {
    throw UsageError("hash key file '" + key_file_.string() + "' holds " +
                     std::to_string(key_.size()) + " characters; a key needs at least " +
                     std::to_string(kShortestKey));
  }
}

std::string Pseudonyms::keyed(std::string_view kind, std::string_view identifier) const {
  std::string message(kind);
  message += ':';
  message += identifier;
  return hmac_sha256_hex(key_, message).substr(0, kNameLength);
}

std::string Pseudonyms::of_patient(std::string_view identifier) const {
  return keyed("patient", identifier);
}

std::string Pseudonyms::of_file(std::string_view identifier) const {
  return keyed("file", identifier);
}

void Pseudonyms::save() const {
  if (!made_here_) return;
  const int descriptor = ::open(key_file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const std::string line = key_ + "\n";
  const bool written =
      descriptor >= 0 &&
      ::write(descriptor, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
      ::fsync(descriptor) == 0;
  const std::string reason = written ? "" : std::strerror(errno);
  if (descriptor >= 0) ::close(descriptor);
  if (!written) {
    throw DataError("cannot write the hash key file '" + key_file_.string() + "': " + reason);
  }
}

}  // namespace echopath::data
