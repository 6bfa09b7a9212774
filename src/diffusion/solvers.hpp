#pragma once

#include <memory>

#include "echopath/diffusion/solver.hpp"

namespace echopath::diffusion {

/// Ancestral sampling (Ho et al. 2020) with the coefficients recomputed for the stride.
std::unique_ptr<Solver> make_ddpm(const NoiseSchedule& schedule, const SolverOptions& options);

/// Song et al. 2021, equation 12.
std::unique_ptr<Solver> make_ddim(const NoiseSchedule& schedule, const SolverOptions& options);

}  // namespace echopath::diffusion
