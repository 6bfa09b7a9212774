#pragma once

#include "echopath/generation/manifest.hpp"
#include "echopath/generation/sample.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::generation {

/// Warns where the options ask the model for what, by echopath.json, it did not learn: guidance by
/// the frame without dropped references, the cycle of a class whose heart rates are unknown, or
/// hearts of any moment for an LVDM that starts where hearts move least; and where w has nothing to
/// steer. `options.classes` are those of the run.
void warn_of_the_unlearned(const SampleOptions& options, const models::ModelDirectory& model);

/// Warns of options of the block sampler that do nothing where windows are stitched.
void warn_of_idle_options(const SampleOptions& options);

/// Warns where the LIDM drew no heart frame that passed the privacy gate.
void warn_of_refused_hearts(const ManifestEntry& entry);

}  // namespace echopath::generation
