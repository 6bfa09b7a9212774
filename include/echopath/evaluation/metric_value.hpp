#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace echopath::evaluation {

/// A video that a metric leaves out, and why.
struct SkippedVideo {
  std::string name;
  std::string reason;
};

/// A figure of two sides with its interval.
struct Estimate {
  double value = 0.0;      ///< of all rows, as the formula says
  double corrected = 0.0;  ///< without the part of its bias that falls with 1/N
  double deviation = 0.0;  ///< standard error
  double low = 0.0;
  double high = 0.0;
  bool has_interval = false;
};

struct IntervalOptions {
  std::int64_t folds = 20;  ///< of the jackknife; 0 for no intervals
  double coverage = 0.95;
  std::uint64_t seed = 0;  ///< of the dealing to folds, and of random subsets
};

/// A metric with all that has to stand beside it.
struct MetricValue {
  std::string metric;
  Estimate estimate;
  /// Over the parts of an inception score, or the subsets of a kernel distance.
  std::optional<double> spread;
  /// Whether the interval stands around the corrected figure or around the figure itself.
  bool corrected = true;
  std::vector<std::string> warnings;
};

}  // namespace echopath::evaluation
