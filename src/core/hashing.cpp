#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "file_descriptor.hpp"

namespace echopath {
namespace {

using Digest = std::array<unsigned char, EVP_MAX_MD_SIZE>;

std::string to_hex(const Digest& digest, unsigned int length) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * length);
  for (unsigned int i = 0; i < length; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

void require_openssl(int done) {
  if (done != 1) {
    throw std::runtime_error("OpenSSL could not compute a SHA-256 digest");
  }
}

/// SHA-256 over pieces.
class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    require_openssl(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
  }
  void add(std::string_view bytes) {
    require_openssl(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
  }
  std::string hex() {
    Digest digest{};
    unsigned int length = 0;
    require_openssl(EVP_DigestFinal_ex(context_.get(), digest.data(), &length));
    return to_hex(digest, length);
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.hex();
}

std::string sha256_file(const fs::path& path) {
  const FileDescriptor file = open_to_read(path);
  Sha256 hash;
  std::string buffer(std::size_t{1} << 20, '\0');
  while (const std::size_t got = read_some(file, path, buffer.data(), buffer.size())) {
    hash.add(std::string_view(buffer).substr(0, got));
  }
  return hash.hex();
}

std::string hmac_sha256_hex(std::string_view key, std::string_view message) {
  Digest digest{};
  unsigned int length = 0;
  const unsigned char* done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                   reinterpret_cast<const unsigned char*>(message.data()),
                                   message.size(), digest.data(), &length);
  require_openssl(done != nullptr ? 1 : 0);
  return to_hex(digest, length);
}

}  // namespace echopath
