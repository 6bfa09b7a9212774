#pragma once

#include <string>

#include "echopath/config/options.hpp"
#include "echopath/diffusion/schedule.hpp"

namespace echopath::models {

/// Declares the noise schedule's options under the keys of diffusers' scheduler_config.json.
void visit_schedule(config::Visitor& v, diffusion::NoiseScheduleOptions& options);

/// The noise schedule in the text of a scheduler_config.json of DDPMScheduler, DDIMScheduler,
/// DPMSolverMultistepScheduler, UniPCMultistepScheduler, EulerDiscreteScheduler,
/// HeunDiscreteScheduler or FlowMatchEulerDiscreteScheduler, as diffusers 0.42.1 writes and reads
/// them: an absent key has the class's default there. Of keys that only say how to sample the
/// solver's options decide, and values that no solver here knows are refused. Throws DataError
/// where it is no JSON object, and ConfigError naming `source` and the class, key or value.
diffusion::NoiseScheduleOptions schedule_from_text(const std::string& text,
                                                   const std::string& source);

/// The same as a DDPMScheduler's file, or as a FlowMatchEulerDiscreteScheduler's for
/// flow_prediction, which a DDPMScheduler does not know.
config::Json schedule_to_json(const diffusion::NoiseScheduleOptions& options);

}  // namespace echopath::models
