#include "echopath/diffusion/loss_weighting.hpp"

#include <algorithm>
#include <vector>

#include "echopath/core/errors.hpp"

namespace echopath::diffusion {

bool has_min_snr_weights(const NoiseScheduleOptions& schedule) {
  return !schedule.is_flow();
}

at::Tensor min_snr_weights(const NoiseSchedule& schedule, const at::Tensor& t, double gamma) {
  const std::string& type = schedule.options().prediction_type;
  if (!has_min_snr_weights(schedule.options())) {
    throw ConfigError("min-SNR weights are not defined for prediction_type " + type +
                      "; use epsilon, v_prediction or sample");
  }
  const at::Tensor timesteps = t.to(at::kCPU, at::kLong).contiguous();
  std::vector<float> weights;
  for (std::int64_t i = 0; i < timesteps.numel(); ++i) {
    const double kept = schedule.alpha_cumprod(timesteps.const_data_ptr<std::int64_t>()[i]);
    // SNR and what it is divided by, both times 1 − ᾱ, so that no level divides by zero.
    const double clipped = std::min(kept, gamma * (1.0 - kept));
    double weight = clipped;  // v: SNR + 1 is 1/(1 − ᾱ)
    if (type == "epsilon") weight = kept > 0.0 ? clipped / kept : 1.0;
    if (type == "sample") weight = kept < 1.0 ? clipped / (1.0 - kept) : gamma;
    weights.push_back(static_cast<float>(weight));
  }
  return at::tensor(weights, at::kFloat);
}

}  // namespace echopath::diffusion
