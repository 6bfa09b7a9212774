#include "diffusion/solvers.hpp"

namespace echopath::diffusion {
namespace {

/// Euler's rule on dx/dσ = ε − x_0 along the straight path (Lipman et al. 2023).
class FlowEuler final : public Solver {
 public:
  FlowEuler(const NoiseSchedule& schedule, const SolverOptions& options, const SamplingGrid& grid)
      : Solver(schedule, options, grid) {}

  at::Tensor step(const at::Tensor& model_output, std::size_t index, const at::Tensor& sample,
                  const NoiseFunction& /*noise*/) override {
    const auto& [timestep, from, to] = grid_step(index);
    // (x − x_0) / σ is the flow itself where x_0 is not clipped.
    const at::Tensor flow = (sample - clipped_x0(model_output, sample, from)) / from.noise;
    return sample + flow * (to.noise - from.noise);
  }
};

}  // namespace

std::unique_ptr<Solver> make_flow_euler(const NoiseSchedule& schedule, const SolverOptions& options,
                                        const SamplingGrid& grid) {
  return std::make_unique<FlowEuler>(schedule, options, grid);
}

}  // namespace echopath::diffusion
