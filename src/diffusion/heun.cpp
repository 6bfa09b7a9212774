#include "diffusion/sigma_solver.hpp"
#include "diffusion/solvers.hpp"
#include "echopath/core/errors.hpp"

namespace echopath::diffusion {
namespace {

/// A step is two evaluations: one at its start and one where Euler's rule arrives. To the last
/// level, which may be clean, there is only the first.
SamplingGrid with_second_evaluations(const SamplingGrid& grid) {
  SamplingGrid evaluations = {grid[0]};
  for (std::size_t i = 1; i < grid.size(); ++i) evaluations.insert(evaluations.end(), 2, grid[i]);
  return evaluations;
}

/// Heun's rule on dx/dσ = (x − x_0) / σ (Karras et al. 2022, algorithm 1).
class Heun final : public SigmaSolver {
 public:
  Heun(const NoiseSchedule& schedule, const SolverOptions& options, const SamplingGrid& grid)
      : SigmaSolver(schedule, options, with_second_evaluations(grid)) {
    if (schedule.options().rescale_betas_zero_snr) {
      throw ConfigError(
          "solver 'heun' does not know rescale_betas_zero_snr; use ddim, dpmsolver++, unipc or "
          "euler");
    }
  }

  at::Tensor step(const at::Tensor& model_output, std::size_t index, const at::Tensor& sample,
                  const NoiseFunction& /*noise*/) override {
    const at::Tensor slope = derivative(model_output, index, sample);
    const bool second = index % 2 == 1;
    if (second) return start_ + (start_slope_ + slope) * (0.5 * stride_);
    start_ = sample;
    start_slope_ = slope;
    stride_ = next_sigma(index) - sigma(index);
    return start_ + start_slope_ * stride_;
  }

 private:
  // Of the step under way.
  at::Tensor start_;
  at::Tensor start_slope_;
  double stride_ = 0.0;
};

}  // namespace

std::unique_ptr<Solver> make_heun(const NoiseSchedule& schedule, const SolverOptions& options,
                                  const SamplingGrid& grid) {
  return std::make_unique<Heun>(schedule, options, grid);
}

}  // namespace echopath::diffusion
