#pragma once

#include <memory>

#include "echopath/diffusion/solver.hpp"

namespace echopath::diffusion {

// Makers of the solvers, each in the file of its name.
std::unique_ptr<Solver> make_ddpm(const NoiseSchedule& schedule, const SolverOptions& options,
                                  const SamplingGrid& grid);
std::unique_ptr<Solver> make_ddim(const NoiseSchedule& schedule, const SolverOptions& options,
                                  const SamplingGrid& grid);
std::unique_ptr<Solver> make_dpmsolver(const NoiseSchedule& schedule, const SolverOptions& options,
                                       const SamplingGrid& grid);
std::unique_ptr<Solver> make_sde_dpmsolver(const NoiseSchedule& schedule,
                                           const SolverOptions& options, const SamplingGrid& grid);
std::unique_ptr<Solver> make_unipc(const NoiseSchedule& schedule, const SolverOptions& options,
                                   const SamplingGrid& grid);
std::unique_ptr<Solver> make_euler(const NoiseSchedule& schedule, const SolverOptions& options,
                                   const SamplingGrid& grid);
std::unique_ptr<Solver> make_heun(const NoiseSchedule& schedule, const SolverOptions& options,
                                  const SamplingGrid& grid);
std::unique_ptr<Solver> make_flow_euler(const NoiseSchedule& schedule, const SolverOptions& options,
                                        const SamplingGrid& grid);

}  // namespace echopath::diffusion
