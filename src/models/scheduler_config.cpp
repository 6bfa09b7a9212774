#include "echopath/models/scheduler_config.hpp"

namespace echopath::models {

void visit_schedule(config::Visitor& v, diffusion::NoiseScheduleOptions& options) {
  v.integer("num_train_timesteps", options.num_train_timesteps, {1, 1'000'000},
            "steps of the noise schedule");
  v.real("beta_start", options.beta_start, {0.0, 1.0}, "first beta");
  v.real("beta_end", options.beta_end, {0.0, 1.0}, "last beta");
  v.choice("beta_schedule", options.beta_schedule, {"linear", "scaled_linear", "squaredcos_cap_v2"},
           "how beta runs between both");
  v.boolean("rescale_betas_zero_snr", options.rescale_betas_zero_snr,
            "rescale to zero terminal signal (Lin et al., 2023)");
  v.choice("prediction_type", options.prediction_type, {"epsilon", "v_prediction", "sample"},
           "what the network predicts");
}

}  // namespace echopath::models
