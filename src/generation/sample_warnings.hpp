#pragma once

#include "echopath/generation/sample.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::generation {

/// Warns where the options ask the model for what, by echopath.json, it did not learn: guidance by
/// the frame without dropped references, the cycle of a class whose heart rates are unknown, or
/// hearts of any moment for an LVDM that starts where hearts move least; and where w has nothing to
/// steer. `options.classes` are those of the run.
void warn_of_the_unlearned(const SampleOptions& options, const models::ModelDirectory& model);

}  // namespace echopath::generation
