#pragma once

#include <optional>
#include <string>

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

/// The metrics of two tables, or of the synthetic one alone, for all videos and by class, with
/// their warnings; the detector is left to the caller. Throws DataError on tables that are too
/// small or of different widths.
DetectorResults measure_tables(const DistributionOptions& options, const MetricNames& names,
                               const std::optional<FeatureTable>& real,
                               const FeatureTable& synthetic);

}  // namespace echopath::evaluation
