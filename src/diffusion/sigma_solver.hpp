#pragma once

#include "echopath/diffusion/solver.hpp"

namespace echopath::diffusion {

/// A solver whose sample is x_0 + σ·ε, σ = noise / signal of what the network sees (Karras et al.
/// 2022).
class SigmaSolver : public Solver {
 public:
  double initial_scale() const override;
  NoiseLevel level(std::size_t index) const override { return {1.0, sigma(index), 1.0}; }
  at::Tensor scale_model_input(const at::Tensor& sample, std::size_t index) const override;

 protected:
  using Solver::Solver;

  double sigma(std::size_t index) const { return input_level(index).sigma(); }
  double next_sigma(std::size_t index) const { return grid_step(index).to.sigma(); }
  /// dx/dσ at a sample, from the network's answer to it.
  at::Tensor derivative(const at::Tensor& model_output, std::size_t index,
                        const at::Tensor& sample) const;
};

}  // namespace echopath::diffusion
