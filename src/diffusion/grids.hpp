#pragma once

#include "echopath/diffusion/solver.hpp"

namespace echopath::diffusion {

// The grids that diffusers 0.42.1 lays; each ends in clean data. Throw ConfigError where the number
// of steps, the spacing or its offset does not fit the schedule.

/// DDPM: spaced_timesteps(), each step leading to the next of them.
SamplingGrid ddpm_grid(const NoiseSchedule& schedule, const SolverOptions& options);
/// DDIM: the same, but the last step ends where set_alpha_to_one says; with reproduce_diffusers
/// each step leads ⌊N/n⌋ timesteps down, wherever the next one is.
SamplingGrid ddim_grid(const NoiseSchedule& schedule, const SolverOptions& options);
/// DPM-Solver++ and UniPC: `linspace` and `leading` lay n + 1 timesteps and drop the lowest.
SamplingGrid dpmsolver_grid(const NoiseSchedule& schedule, const SolverOptions& options);
SamplingGrid unipc_grid(const NoiseSchedule& schedule, const SolverOptions& options);
/// Euler and Heun: `linspace` has fractional timesteps, σ is interpolated between the schedule's.
SamplingGrid sigma_grid(const NoiseSchedule& schedule, const SolverOptions& options);
/// Flow-matching Euler: σ evenly from 1 to 1/N.
SamplingGrid flow_grid(const NoiseSchedule& schedule, const SolverOptions& options);

}  // namespace echopath::diffusion
