#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace echopath::diffusion {

/// How to walk from noise to data. Defaults: the published Echo-Path sampler's clipping and
/// spacing.
struct SolverOptions {
  std::string name = "ddim";                  ///< one of solver_names()
  std::int64_t num_inference_steps = 50;      ///< 1 … N
  std::string timestep_spacing = "leading";   ///< leading, trailing, linspace; not for a flow
  std::int64_t steps_offset = 0;              ///< added to every timestep of `leading`
  bool clip_sample = true;                    ///< clamp the predicted x_0, whatever the solver
  double clip_sample_range = 4.0;             ///< to ± this
  double eta = 0.0;                           ///< DDIM: 0 deterministic … 1 as noisy as DDPM
  std::string variance_type = "fixed_small";  ///< DDPM: one of variance_type_names()
  bool set_alpha_to_one = true;               ///< DDIM: ᾱ after the last step is 1, else ᾱ_0
  /// DDIM and DDPM where diffusers 0.42.1 strays from the method: DDIM steps ⌊N/n⌋ timesteps down
  /// even where the next one lies elsewhere; DDPM adds noise after a last step above timestep 0.
  bool reproduce_diffusers = false;
  std::int64_t solver_order = 2;  ///< UniPC: 1 … 3
  double flow_shift = 1.0;        ///< flow_prediction: σ → s·σ / (1 + (s − 1)·σ), s > 0
};

/// Names that make_solver knows.
const std::vector<std::string>& solver_names();
/// Names of DDPM's variances.
const std::vector<std::string>& variance_type_names();

/// Network evaluations of a trajectory and guidance branch: one for each step; Heun's takes a
/// second one in every step but the last.
std::int64_t evaluation_count(const SolverOptions& options);

}  // namespace echopath::diffusion
