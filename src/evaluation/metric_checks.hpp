#pragma once

#include <string>

#include "echopath/evaluation/feature_table.hpp"
#include "echopath/evaluation/metric_value.hpp"

namespace echopath::evaluation {

/// Throws DataError unless both sides have features of one width and two rows or more; `what` is
/// the figure that needs them, such as "a Fréchet distance".
void require_comparable(const FeatureTable& real, const FeatureTable& synthetic,
                        const std::string& what);

/// Throws DataError where the figure `what` overflowed: its features are finite, but so large that
/// sums of their products are not.
[[noreturn]] void refuse_overflow(const std::string& what, const FeatureTable& real,
                                  const FeatureTable& synthetic);

/// refuse_overflow() where the value, its spread or its interval is not finite.
void require_finite(const MetricValue& metric, const FeatureTable& real,
                    const FeatureTable& synthetic);

}  // namespace echopath::evaluation
