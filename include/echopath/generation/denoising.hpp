#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "echopath/config/options.hpp"
#include "echopath/diffusion/guidance_options.hpp"
#include "echopath/diffusion/solver_options.hpp"

namespace echopath::generation {

/// How a latent is denoised: the solver, and how strongly the conditions steer it.
struct DenoisingOptions {
  diffusion::SolverOptions solver;
  diffusion::GuidanceOptions guidance;
  /// Percent; what a network that is conditioned on it is given.
  std::optional<std::int64_t> ejection_fraction = {};
  /// What the network computes in; latents between its evaluations are float32.
  std::string precision = "fp32";  ///< or bf16, fp16
};

/// Called after every network evaluation of a trajectory. It may throw to stop the sampling.
using StepCallback = std::function<void()>;

/// Declares the solver's options under the name `solver`.
void visit_solver(config::Visitor& v, diffusion::SolverOptions& options);

}  // namespace echopath::generation
