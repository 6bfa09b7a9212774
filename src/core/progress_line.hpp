#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace echopath {

/// What a line of progress tells.
struct ProgressParts {
  std::string label;
  std::int64_t done = 0;
  std::int64_t total = 0;  ///< 0: not known
  std::string time;        ///< ", 3 h 2 min left" or " in 3 s"; may be empty
  std::string note;        ///< "loss 0.1, lr 0.001"; may be empty
};

/// "training 412/5000 (8 %), 3 h 2 min left, loss 0.1, lr 0.001"
std::string plain_progress_line(const ProgressParts& parts);

/// The same with a bar behind the label, for a terminal of `columns` columns. Where it is too wide,
/// the bar becomes shorter, and then there go, in this order, the bar, the percentage, the label
/// and the commas, so that the figures stay. What is wider still is cut.
std::string fitted_progress_line(const ProgressParts& parts, std::size_t columns);

}  // namespace echopath
