#include <algorithm>
#include <cmath>

#include "diffusion/solvers.hpp"
#include "echopath/core/errors.hpp"

namespace echopath::diffusion {
namespace {

/// Song, Meng and Ermon 2021.
class Ddim final : public Solver {
 public:
  Ddim(const NoiseSchedule& schedule, const SolverOptions& options, const SamplingGrid& grid)
      : Solver(schedule, options, grid) {
    if (!(options.eta >= 0.0 && options.eta <= 1.0)) {
      throw ConfigError("eta must be between 0 and 1");
    }
  }

  at::Tensor step(const at::Tensor& model_output, std::size_t index, const at::Tensor& sample,
                  const NoiseFunction& noise) override {
    const GridStep& at = grid_step(index);
    const double bar = at.from.alpha_cumprod;
    const double bar_next = at.to.alpha_cumprod;

    // As in diffusers, clipping changes x_0 only: ε stays what the network answered.
    const at::Tensor x0 = clipped_x0(model_output, sample, at.from);
    const at::Tensor epsilon = schedule_.predict_epsilon(model_output, sample, at.from);
    const double variance = (1.0 - bar_next) / (1.0 - bar) * (1.0 - bar / bar_next);
    const double sigma = options_.eta * std::sqrt(std::max(variance, 0.0));
    const double direction = std::sqrt(std::max(1.0 - bar_next - sigma * sigma, 0.0));
    at::Tensor result = x0 * std::sqrt(bar_next) + epsilon * direction;
    if (sigma > 0.0) result = result + noise() * sigma;
    return result;
  }
};

}  // namespace

std::unique_ptr<Solver> make_ddim(const NoiseSchedule& schedule, const SolverOptions& options,
                                  const SamplingGrid& grid) {
  return std::make_unique<Ddim>(schedule, options, grid);
}

}  // namespace echopath::diffusion
