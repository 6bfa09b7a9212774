#include "diffusion/sigma_solver.hpp"
#include "diffusion/solvers.hpp"

namespace echopath::diffusion {
namespace {

/// Euler's rule on dx/dσ = (x − x_0) / σ (Karras et al. 2022, algorithm 1 without its second half).
class Euler final : public SigmaSolver {
 public:
  Euler(const NoiseSchedule& schedule, const SolverOptions& options, const SamplingGrid& grid)
      : SigmaSolver(schedule, options, grid) {}

  at::Tensor step(const at::Tensor& model_output, std::size_t index, const at::Tensor& sample,
                  const NoiseFunction& /*noise*/) override {
    return sample + derivative(model_output, index, sample) * (next_sigma(index) - sigma(index));
  }
};

}  // namespace

std::unique_ptr<Solver> make_euler(const NoiseSchedule& schedule, const SolverOptions& options,
                                   const SamplingGrid& grid) {
  return std::make_unique<Euler>(schedule, options, grid);
}

}  // namespace echopath::diffusion
