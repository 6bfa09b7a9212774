#include <algorithm>
#include <cmath>

#include "diffusion/solvers.hpp"
#include "echopath/core/errors.hpp"

namespace echopath::diffusion {
namespace {

class Ddim final : public Solver {
 public:
  Ddim(const NoiseSchedule& schedule, const SolverOptions& options) : Solver(schedule, options) {
    if (!(options.eta >= 0.0 && options.eta <= 1.0)) {
      throw ConfigError("eta must be between 0 and 1");
    }
  }

  at::Tensor step(const at::Tensor& model_output, std::size_t index, const at::Tensor& sample,
                  const NoiseFunction& noise) override {
    const std::int64_t t = timesteps_.at(index);
    const std::int64_t next = next_timestep(index);
    const double bar = schedule_.alpha_cumprod(t);
    const double bar_next =
        schedule_.alpha_cumprod(next < 0 && !options_.set_alpha_to_one ? 0 : next);

    // As in diffusers, clipping changes x_0 only: ε stays what the network answered.
    const at::Tensor x0 = clipped_x0(model_output, sample, t);
    const at::Tensor epsilon = schedule_.predict_epsilon(model_output, sample, t);
    const double variance = (1.0 - bar_next) / (1.0 - bar) * (1.0 - bar / bar_next);
    const double sigma = options_.eta * std::sqrt(std::max(variance, 0.0));
    const double direction = std::sqrt(std::max(1.0 - bar_next - sigma * sigma, 0.0));
    at::Tensor result = x0 * std::sqrt(bar_next) + epsilon * direction;
    if (sigma > 0.0) result = result + noise() * sigma;
    return result;
  }
};

}  // namespace

std::unique_ptr<Solver> make_ddim(const NoiseSchedule& schedule, const SolverOptions& options) {
  return std::make_unique<Ddim>(schedule, options);
}

}  // namespace echopath::diffusion
