#pragma once

#include "echopath/config/options.hpp"
#include "echopath/diffusion/schedule.hpp"

namespace echopath::models {

/// Declares the noise schedule's options under the keys of diffusers' scheduler_config.json.
void visit_schedule(config::Visitor& v, diffusion::NoiseScheduleOptions& options);

}  // namespace echopath::models
