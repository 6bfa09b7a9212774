#include <cmath>

#include "diffusion/solvers.hpp"

namespace echopath::diffusion {
namespace {

/// DPM-Solver++(2M) (Lu et al. 2022, "DPM-Solver++", midpoint form) and its SDE variant. With λ =
/// ln(signal / noise) and h the step in it, x_0 is integrated as a line through its last two
/// values. The first step is of first order, and so is one to clean data, where h is infinite.
class DpmSolver final : public Solver {
 public:
  DpmSolver(const NoiseSchedule& schedule, const SolverOptions& options, const SamplingGrid& grid,
            bool stochastic)
      : Solver(schedule, options, grid), stochastic_(stochastic) {}

  at::Tensor step(const at::Tensor& model_output, std::size_t index, const at::Tensor& sample,
                  const NoiseFunction& noise) override {
    const auto& [timestep, from, to] = grid_step(index);
    const double h = to.log_snr() - from.log_snr();
    const at::Tensor x0 = clipped_x0(model_output, sample, from);
    at::Tensor slope = x0;
    if (index > 0 && !to.clean()) {
      const GridStep& before = grid_step(index - 1);
      const double ratio = (from.log_snr() - before.from.log_snr()) / h;
      slope = x0 + (x0 - last_x0_) * (0.5 / ratio);
    }
    last_x0_ = x0;
    const double kept = to.noise / from.noise;
    if (!stochastic_) return sample * kept - slope * (to.signal * std::expm1(-h));

    const double renewed = -std::expm1(-2.0 * h);
    at::Tensor result = sample * (kept * std::exp(-h)) + slope * (to.signal * renewed);
    if (!to.clean()) result = result + noise() * (to.noise * std::sqrt(renewed));
    return result;
  }

 private:
  bool stochastic_;
  at::Tensor last_x0_;
};

}  // namespace

std::unique_ptr<Solver> make_dpmsolver(const NoiseSchedule& schedule, const SolverOptions& options,
                                       const SamplingGrid& grid) {
  return std::make_unique<DpmSolver>(schedule, options, grid, false);
}

std::unique_ptr<Solver> make_sde_dpmsolver(const NoiseSchedule& schedule,
                                           const SolverOptions& options, const SamplingGrid& grid) {
  return std::make_unique<DpmSolver>(schedule, options, grid, true);
}

}  // namespace echopath::diffusion
