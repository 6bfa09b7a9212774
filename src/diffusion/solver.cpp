#include "echopath/diffusion/solver.hpp"

#include <cmath>

#include "diffusion/solvers.hpp"
#include "echopath/core/errors.hpp"

namespace echopath::diffusion {
namespace {

using Factory = std::unique_ptr<Solver> (*)(const NoiseSchedule&, const SolverOptions&);

struct Entry {
  const char* name;
  Factory make;
};

/// Every solver, in one place: a new one is a new file and a line here.
constexpr Entry kSolvers[] = {{"ddpm", &make_ddpm}, {"ddim", &make_ddim}};

}  // namespace

std::vector<std::int64_t> spaced_timesteps(std::int64_t num_train_timesteps,
                                           const SolverOptions& options) {
  const auto total = num_train_timesteps;
  const auto n = options.num_inference_steps;
  if (n < 1 || n > total) {
    throw ConfigError("the number of sampling steps must be 1 to " + std::to_string(total) +
                      " (the model's training timesteps), not " + std::to_string(n));
  }
  const bool leading = options.timestep_spacing == "leading";
  if (!leading && options.timestep_spacing != "trailing" &&
      options.timestep_spacing != "linspace") {
    throw ConfigError("timestep_spacing '" + options.timestep_spacing +
                      "' is unknown; use leading, trailing or linspace");
  }
  if (leading &&
      (options.steps_offset < 0 || (n - 1) * (total / n) + options.steps_offset >= total)) {
    throw ConfigError("steps_offset " + std::to_string(options.steps_offset) +
                      " moves the first timestep out of the schedule");
  }
  std::vector<std::int64_t> timesteps(static_cast<std::size_t>(n));
  const double stride = n > 1 ? static_cast<double>(total - 1) / static_cast<double>(n - 1) : 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    auto& t = timesteps[static_cast<std::size_t>(i)];
    const double rising = static_cast<double>(n - 1 - i);
    if (leading) {
      t = (n - 1 - i) * (total / n) + options.steps_offset;
    } else if (options.timestep_spacing == "trailing") {
      const double step = static_cast<double>(total) / static_cast<double>(n);
      t = std::llrint(static_cast<double>(total) - static_cast<double>(i) * step) - 1;
    } else {
      t = std::llrint(rising * stride);
    }
  }
  return timesteps;
}

Solver::Solver(const NoiseSchedule& schedule, const SolverOptions& options)
    : schedule_(schedule),
      options_(options),
      timesteps_(spaced_timesteps(schedule.num_train_timesteps(), options)) {
  if (options_.clip_sample && !(options_.clip_sample_range > 0.0)) {
    throw ConfigError("clip_sample_range must be positive");
  }
}

std::int64_t Solver::next_timestep(std::size_t index) const {
  return index + 1 < timesteps_.size() ? timesteps_[index + 1] : -1;
}

at::Tensor Solver::clipped_x0(const at::Tensor& model_output, const at::Tensor& sample,
                              std::int64_t t) const {
  const at::Tensor x0 = schedule_.predict_x0(model_output, sample, t);
  if (!options_.clip_sample) return x0;
  return x0.clamp(-options_.clip_sample_range, options_.clip_sample_range);
}

const std::vector<std::string>& solver_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const auto& entry : kSolvers) list.emplace_back(entry.name);
    return list;
  }();
  return names;
}

std::unique_ptr<Solver> make_solver(const NoiseSchedule& schedule, const SolverOptions& options) {
  std::string known;
  for (const auto& entry : kSolvers) {
    if (options.name == entry.name) return entry.make(schedule, options);
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw ConfigError("solver '" + options.name + "' is unknown; known solvers: " + known);
}

}  // namespace echopath::diffusion
