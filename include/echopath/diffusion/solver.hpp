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

/// One step of a trajectory.
struct GridStep {
  double timestep = 0.0;  ///< what the network is told; may be a fraction
  NoiseLevel from;        ///< of what the network sees
  NoiseLevel to;          ///< after the step
};

/// The steps of a trajectory, from noise to data. Each starts where the one before ended (but for
/// DDIM's with reproduce_diffusers).
using SamplingGrid = std::vector<GridStep>;

/// One sampling trajectory: its grid and the rule from one level to the next. A solver remembers
/// earlier steps, so a new trajectory takes a new solver.
///
/// The sample starts as standard normal noise times initial_scale(). For each index in turn the
/// network answers scale_model_input(sample, index) at timesteps()[index], and step() moves on.
class Solver {
 public:
  virtual ~Solver() = default;

  /// Falling timesteps, one per network evaluation; Heun's repeats all but the first.
  const std::vector<double>& timesteps() const { return timesteps_; }
  const NoiseSchedule& schedule() const { return schedule_; }

  /// Deviation of the initial noise.
  virtual double initial_scale() const { return 1.0; }
  /// The noise level of the sample that step(…, index, …) takes. Euler's and Heun's sample is
  /// x_0 + σ·ε.
  virtual NoiseLevel level(std::size_t index) const { return input_level(index); }
  /// The noise level of what the network sees at this index.
  const NoiseLevel& input_level(std::size_t index) const { return grid_.at(index).from; }
  /// What the network sees of a sample.
  virtual at::Tensor scale_model_input(const at::Tensor& sample, std::size_t index) const;

  /// The next sample from the network's answer at `timesteps()[index]`. Steps are taken in order,
  /// index 0 first. `sample` and `model_output` are `[B, …]` of one shape; DDPM's learned variances
  /// take a `model_output` with twice the sample's channels. Coefficients are float64, the sample
  /// float32 or, given float64, float64.
  virtual at::Tensor step(const at::Tensor& model_output, std::size_t index,
                          const at::Tensor& sample, const NoiseFunction& noise) = 0;

 protected:
  /// `grid` has one entry for each network evaluation.
  Solver(const NoiseSchedule& schedule, const SolverOptions& options, SamplingGrid grid);

  const GridStep& grid_step(std::size_t index) const { return grid_.at(index); }
  std::size_t evaluations() const { return grid_.size(); }
  /// The clean sample that an answer to `model_input` at this level implies, clipped if the options
  /// say so.
  at::Tensor clipped_x0(const at::Tensor& model_output, const at::Tensor& model_input,
                        const NoiseLevel& level) const;

  NoiseSchedule schedule_;
  SolverOptions options_;

 private:
  SamplingGrid grid_;
  std::vector<double> timesteps_;
};

/// A solver on the grid that diffusers 0.42.1 lays for it: DDPMScheduler, DDIMScheduler,
/// DPMSolverMultistepScheduler (dpmsolver++ and sde-dpmsolver++, order 2), UniPCMultistepScheduler
/// (bh2), EulerDiscreteScheduler, HeunDiscreteScheduler, FlowMatchEulerDiscreteScheduler. Throws
/// ConfigError on an unknown name (the known ones listed), spacing or variance type, a prediction
/// type or schedule that the solver does not take (epsilon without clipping from a timestep without
/// signal among them), or a number of steps that does not fit.
std::unique_ptr<Solver> make_solver(const NoiseSchedule& schedule, const SolverOptions& options);
/// The same on a grid of the caller's, with any noise levels: `num_inference_steps`, the spacing
/// and the like play no part.
std::unique_ptr<Solver> make_solver(const NoiseSchedule& schedule, const SolverOptions& options,
                                    const SamplingGrid& grid);

/// The falling timesteps of a spacing, as diffusers lays them (linspace: round(linspace(0, N−1,
/// n)); leading: i·⌊N/n⌋ + offset; trailing: round(N − i·N/n) − 1).
std::vector<std::int64_t> spaced_timesteps(std::int64_t num_train_timesteps,
                                           const SolverOptions& options);

}  // namespace echopath::diffusion
