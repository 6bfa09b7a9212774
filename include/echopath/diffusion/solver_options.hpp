#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace echopath::diffusion {

/// How to walk from noise to data. Defaults: the published Echo-Path sampler's clipping and
/// spacing.
struct SolverOptions {
  std::string name = "ddim";                 ///< one of solver_names()
  std::int64_t num_inference_steps = 50;     ///< 1 … N
  std::string timestep_spacing = "leading";  ///< leading, trailing, linspace
  std::int64_t steps_offset = 0;             ///< added to every timestep of `leading`
  bool clip_sample = true;                   ///< clamp the predicted x_0
  double clip_sample_range = 4.0;            ///< to ± this
  double eta = 0.0;                          ///< DDIM: 0 deterministic … 1 as noisy as DDPM
  /// DDPM: fixed_small, fixed_small_log, fixed_large.
  std::string variance_type = "fixed_small";
  bool set_alpha_to_one = true;  ///< DDIM: ᾱ after the last step is 1, else ᾱ_0
};

/// Names that make_solver knows.
const std::vector<std::string>& solver_names();

}  // namespace echopath::diffusion
