#include "io/pickle_input.hpp"

#include "echopath/core/errors.hpp"

namespace echopath::io {

PickleInput::PickleInput(std::string_view bytes, std::string source)
    : bytes_(bytes), source_(std::move(source)) {}

std::string_view PickleInput::take(std::size_t length) {
  if (length > bytes_.size() - position_) {
    fail("is cut off");
  }
  const std::string_view taken = bytes_.substr(position_, length);
  position_ += length;
  return taken;
}

std::string PickleInput::take_line() {
  const std::size_t end = bytes_.find('\n', position_);
  if (end == std::string_view::npos) {
    fail("is cut off");
  }
  const std::string_view line = take(end - position_);
  take(1);
  return std::string(line);
}

std::uint64_t PickleInput::take_unsigned(std::size_t width) {
  std::uint64_t number = 0;
  const std::string_view raw = take(width);
  for (std::size_t i = 0; i < width; ++i) {
    number |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(raw[i])) << (8 * i);
  }
  return number;
}

void PickleInput::fail(const std::string& what) const {
  throw DataError(source_ + ": its pickle " + what + " (byte " + std::to_string(position_) + ")");
}

}  // namespace echopath::io
