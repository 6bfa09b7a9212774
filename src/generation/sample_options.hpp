#pragma once

#include "echopath/generation/sample.hpp"

namespace echopath::generation {

/// Throws UsageError or ConfigError on values that make no sense, whatever the model.
void check_sample_options(const SampleOptions& options);

}  // namespace echopath::generation
