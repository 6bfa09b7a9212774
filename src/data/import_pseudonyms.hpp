#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace echopath::data {

/// Keyed names for identifiers: the first 16 hexadecimal digits of their HMAC-SHA-256.
class Pseudonyms {
 public:
  /// Reads the key from `key_file`, or from OUT.key beside the dataset; makes a random one where
  /// neither is there. Throws DataError (unreadable), UsageError (shorter than 16 characters).
  Pseudonyms(const std::filesystem::path& key_file, const std::filesystem::path& out);

  std::string of_patient(std::string_view identifier) const;
  std::string of_file(std::string_view identifier) const;

  /// Where the key is, or will be after save().
  const std::filesystem::path& key_file() const { return key_file_; }
  /// Writes a key made here, readable by its owner only. Throws DataError.
  void save() const;

 private:
  std::string keyed(std::string_view kind, std::string_view identifier) const;

  std::filesystem::path key_file_;
  std::string key_;
  bool made_here_ = false;
};

}  // namespace echopath::data
