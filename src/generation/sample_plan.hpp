#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "echopath/generation/sample.hpp"
#include "echopath/models/heart_cycle.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::generation {

/// One video of a run, before it is made.
struct VideoPlan {
  std::int64_t index = 0;
  std::string class_name;
  std::int64_t label = 0;
  std::vector<std::int64_t> window_labels;  ///< of the stitched sampler's windows
  std::uint64_t seed = 0;
  std::optional<models::HeartCycle> cycle;  ///< from the first frame on; none: not told
  std::string stem;                         ///< file name without extension
};

/// The classes asked for; every class of the model where none is. Throws UsageError on one that the
/// model does not know, the known ones listed.
std::vector<std::string> resolve_classes(const SampleOptions& options,
                                         const models::ModelInfo& info);

/// All videos of a run, in order. `options.classes` are resolved. Throws UsageError where the seeds
/// do not suffice, and on a heart rate for a model that does not know it.
std::vector<VideoPlan> plan_videos(const SampleOptions& options, const models::ModelInfo& info);

}  // namespace echopath::generation
