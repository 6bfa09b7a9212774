#include "config/ranges.hpp"

#include <cmath>

#include "echopath/core/text.hpp"

namespace echopath::config {
namespace {

template <class Range>
std::string limits_text(const Range& range) {
  const Range unlimited;
  const bool has_min = range.min != unlimited.min;
  const bool has_max = range.max != unlimited.max;
  const std::string low = Json(range.min).dump();
  const std::string high = Json(range.max).dump();
  if (has_min && has_max) return low + " to " + high;
  if (has_min) return "at least " + low;
  if (has_max) return "at most " + high;
  return "";
}

}  // namespace

std::string range_text(const IntegerRange& range) {
  return limits_text(range);
}

std::string range_text(const RealRange& range) {
  return limits_text(range);
}

std::string value_text(const Json& value) {
  constexpr std::size_t kMaxLength = 40;
  // JSON has no name for numbers that are not finite, and would say null.
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    return std::to_string(value.get<double>());
  }
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
  if (text.size() <= kMaxLength) return text;
  std::size_t end = kMaxLength;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "…";
}

std::string choice_text(const std::vector<std::string>& allowed) {
  return "one of " + join(allowed, "|");
}

}  // namespace echopath::config
