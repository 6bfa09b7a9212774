#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace echopath::io {

/// The bytes of one or several pickles, taken from front to back.
class PickleInput {
 public:
  /// `source` starts error messages; the bytes must outlive the input.
  PickleInput(std::string_view bytes, std::string source);

  /// Each takes what it returns; DataError where the bytes end before.
  std::string_view take(std::size_t length);
  std::string take_line();
  /// Little-endian, of `width` <= 8 bytes.
  std::uint64_t take_unsigned(std::size_t width);

  /// Bytes taken so far.
  std::size_t position() const { return position_; }
  /// Throws DataError: source, "its pickle <what>", and the position.
  [[noreturn]] void fail(const std::string& what) const;

 private:
  std::string_view bytes_;
  std::string source_;
  std::size_t position_ = 0;
};

}  // namespace echopath::io
