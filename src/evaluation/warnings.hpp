#pragma once

#include <string>
#include <vector>

#include "echopath/core/logging.hpp"

namespace echopath::evaluation {

/// Logs a warning and records it with the results.
inline void warn(std::vector<std::string>& warnings, const std::string& text) {
  log_warning(text);
  warnings.push_back(text);
}

}  // namespace echopath::evaluation
