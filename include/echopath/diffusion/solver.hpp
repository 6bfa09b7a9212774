#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "echopath/diffusion/schedule.hpp"
#include "echopath/diffusion/solver_options.hpp"

namespace echopath::diffusion {

/// Standard normal noise in the shape of the sample; called only by steps that need it.
using NoiseFunction = std::function<at::Tensor()>;

/// One sampling trajectory: a list of falling timesteps and the rule from one to the next. A solver
/// may remember earlier steps, so a new trajectory takes a new solver.
class Solver {
 public:
  virtual ~Solver() = default;

  /// Falling timesteps, one per network evaluation.
  const std::vector<std::int64_t>& timesteps() const { return timesteps_; }
  const NoiseSchedule& schedule() const { return schedule_; }

  /// The sample at the next timestep (clean data after the last) from the network's answer at
  /// `timesteps()[index]`. Steps are taken in order, index 0 first. `sample` and `model_output` are
  /// `[B, …]` of one shape.
  virtual at::Tensor step(const at::Tensor& model_output, std::size_t index,
                          const at::Tensor& sample, const NoiseFunction& noise) = 0;

 protected:
  Solver(const NoiseSchedule& schedule, const SolverOptions& options);

  /// The timestep after `index`, −1 after the last.
  std::int64_t next_timestep(std::size_t index) const;
  /// The clean sample a model output implies, clipped if the options say so.
  at::Tensor clipped_x0(const at::Tensor& model_output, const at::Tensor& sample,
                        std::int64_t t) const;

  NoiseSchedule schedule_;
  SolverOptions options_;
  std::vector<std::int64_t> timesteps_;
};

/// Throws ConfigError on an unknown name (the known ones listed), spacing or variance type, or a
/// number of steps outside 1…N.
std::unique_ptr<Solver> make_solver(const NoiseSchedule& schedule, const SolverOptions& options);

/// The falling timesteps of a spacing, as diffusers 0.27.2 lays them (linspace:
/// round(linspace(0, N−1, n)); leading: i·⌊N/n⌋ + offset; trailing: round(N − i·N/n) − 1).
std::vector<std::int64_t> spaced_timesteps(std::int64_t num_train_timesteps,
                                           const SolverOptions& options);

}  // namespace echopath::diffusion
