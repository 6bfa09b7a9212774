#pragma once

#include <string>

#include "echopath/config/options.hpp"

namespace echopath::config {

/// "1 to 100", "at least 0", "at most 1", or empty where unlimited.
std::string range_text(const IntegerRange& range);
std::string range_text(const RealRange& range);

/// A value as short JSON for messages: cut after some 40 characters, always valid UTF-8.
std::string value_text(const Json& value);

/// "one of a|b|c".
std::string choice_text(const std::vector<std::string>& allowed);

}  // namespace echopath::config
