#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <functional>

#include "echopath/diffusion/solver.hpp"
#include "echopath/generation/denoising.hpp"

namespace echopath::generation {

/// What a trajectory needs besides its solver.
struct Trajectory {
  /// The network's answer under guidance to what the solver shows of a sample at the step with this
  /// index.
  std::function<at::Tensor(const at::Tensor& model_input, std::size_t index)> predict;
  /// Noise for the step with this index, on the sample's device.
  std::function<at::Tensor(std::size_t index)> noise;
  /// Imposes what is known about the sample that the step with this index takes, before the network
  /// sees it; may be empty.
  std::function<at::Tensor(const at::Tensor& sample, std::size_t index)> constrain;
  StepCallback on_step;
};

/// Walks from standard normal noise to data. Throws DataError where the network's answers are not
/// finite.
at::Tensor denoise(diffusion::Solver& solver, const at::Tensor& noise,
                   const Trajectory& trajectory);

}  // namespace echopath::generation
