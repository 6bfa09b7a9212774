#pragma once

#include <cstddef>
#include <string>

#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"

namespace echopath::training {

/// What `read(i)` gives for item `first` of `count`; with `skip`, where it throws DataError, for
/// the next one behind it that it can read, and where there is none throws what the last threw.
/// What is wrong is told where `first_report(i)` says that it has not been.
template <class Read, class FirstReport>
auto first_readable(std::size_t first, std::size_t count, bool skip, const Read& read,
                    const FirstReport& first_report) {
  for (std::size_t tried = 0;; ++tried) {
    const std::size_t item = (first + tried) % count;
    try {
      return read(item);
    } catch (const DataError& error) {
      if (!skip || tried + 1 == count) throw;
      if (first_report(item)) {
        log_warning(std::string(error.what()) + "; passed over, as data.skip_unreadable says");
      }
    }
  }
}

}  // namespace echopath::training
