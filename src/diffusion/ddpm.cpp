#include <algorithm>
#include <cmath>

#include "diffusion/solvers.hpp"
#include "echopath/core/errors.hpp"

namespace echopath::diffusion {
namespace {

class Ddpm final : public Solver {
 public:
  Ddpm(const NoiseSchedule& schedule, const SolverOptions& options) : Solver(schedule, options) {
    const auto& type = options.variance_type;
    if (type != "fixed_small" && type != "fixed_small_log" && type != "fixed_large") {
      throw ConfigError("variance_type '" + type +
                        "' is unknown; use fixed_small, fixed_small_log or fixed_large");
    }
  }

  at::Tensor step(const at::Tensor& model_output, std::size_t index, const at::Tensor& sample,
                  const NoiseFunction& noise) override {
    const std::int64_t t = timesteps_.at(index);
    const double bar = schedule_.alpha_cumprod(t);
    const std::int64_t next = next_timestep(index);
    const double bar_next = schedule_.alpha_cumprod(next);
    const double alpha = bar / bar_next;
    const double beta = 1.0 - alpha;

    const at::Tensor x0 = clipped_x0(model_output, sample, t);
    const double x0_weight = std::sqrt(bar_next) * beta / (1.0 - bar);
    const double sample_weight = std::sqrt(alpha) * (1.0 - bar_next) / (1.0 - bar);
    const at::Tensor mean = x0 * x0_weight + sample * sample_weight;
    if (next < 0) return mean;

    // The log form of the small variance differs from it only in how it is rounded.
    const double small = std::max((1.0 - bar_next) / (1.0 - bar) * beta, 1e-20);
    const double variance = options_.variance_type == "fixed_large" ? beta : small;
    return mean + noise() * std::sqrt(variance);
  }
};

}  // namespace

std::unique_ptr<Solver> make_ddpm(const NoiseSchedule& schedule, const SolverOptions& options) {
  return std::make_unique<Ddpm>(schedule, options);
}

}  // namespace echopath::diffusion
