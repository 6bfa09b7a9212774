#pragma once

#include <optional>
#include <string>
#include <vector>

#include "echopath/evaluation/distribution.hpp"
#include "echopath/evaluation/feature_table.hpp"

namespace echopath::evaluation {

/// The names of the metrics of frames or of clips.
struct MetricNames {
  std::string frechet, kernel, manifold, inception;  ///< keys of DistributionOptions::metrics
  std::string frechet_label, kernel_label, item;
};

extern const MetricNames kFrameMetrics;
extern const MetricNames kClipMetrics;  ///< without an inception score

/// Whether a metric is asked for.
bool wants(const DistributionOptions& options, const std::string& metric);
/// Whether one of these metrics is.
bool wants_any(const DistributionOptions& options, const MetricNames& names);
/// Whether one of these metrics that is asked for looks at real features.
bool needs_real(const DistributionOptions& options, const MetricNames& names);

/// The features of both sides; of the synthetic one alone where nothing looks at real ones.
struct Tables {
  std::optional<FeatureTable> real;
  FeatureTable synthetic;
};

/// The metrics of two tables, or of the synthetic one alone, for all videos and by class, with
/// their warnings; the detector is left to the caller. What is left out for want of videos is
/// logged and told in `warnings`. Throws DataError on tables that are too small, where nothing else
/// is asked for, or of different widths.
DetectorResults measure_tables(const DistributionOptions& options, const MetricNames& names,
                               const Tables& tables, std::vector<std::string>& warnings);

}  // namespace echopath::evaluation
