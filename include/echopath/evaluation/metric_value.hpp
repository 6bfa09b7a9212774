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
  /// Groups of patients that the jackknife leaves out in turn, and halvings of manifold_metrics();
  /// 0 for no intervals.
  std::int64_t folds = 20;
  double coverage = 0.95;
  std::uint64_t seed = 0;  ///< of the dealing to folds and halves, and of random subsets
};

/// A metric with all that has to stand beside it.
struct MetricValue {
  std::string metric;
  Estimate estimate;
  /// Over the parts of an inception score, or the subsets of a kernel distance.
  std::optional<double> spread;
  /// Whether the interval stands around the corrected figure or around the figure itself.
  bool corrected = true;
  /// Why there is no interval although one was asked for, where the metric knows a reason of its
  /// own.
  std::string no_interval;
  std::vector<std::string> warnings;
};

}  // namespace echopath::evaluation
