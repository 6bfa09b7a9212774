#include "diffusion/grids.hpp"

#include <cmath>

#include "echopath/core/errors.hpp"

namespace echopath::diffusion {
namespace {

/// Where diffusers puts ᾱ = 0 in solvers that divide by it.
constexpr float kSmallestAlphaCumprod = 0x1p-24F;
/// How far below 1 UniPC starts on the straight path, where 1 has no logarithmic SNR.
constexpr double kFlowStart = 1e-6;

void check_steps(std::int64_t steps, std::int64_t most) {
  if (steps >= 1 && steps <= most) return;
  throw ConfigError("the number of sampling steps must be 1 to " + std::to_string(most) +
                    " (the model's training timesteps), not " + std::to_string(steps));
}

/// Links levels into steps; the last leads to clean data.
SamplingGrid chain(const std::vector<double>& timesteps, const std::vector<NoiseLevel>& levels) {
  SamplingGrid grid;
  for (std::size_t i = 0; i < timesteps.size(); ++i) {
    const bool last = i + 1 == timesteps.size();
    grid.push_back({timesteps[i], levels[i], last ? NoiseLevel{} : levels[i + 1]});
  }
  return grid;
}

std::vector<double> to_double(const std::vector<std::int64_t>& timesteps) {
  return {timesteps.begin(), timesteps.end()};
}

/// n + 1 timesteps without the lowest, n of the trailing spacing.
std::vector<std::int64_t> multistep_timesteps(std::int64_t total, const SolverOptions& options) {
  if (options.timestep_spacing == "trailing") return spaced_timesteps(total, options);
  check_steps(options.num_inference_steps, total - 1);
  SolverOptions wider = options;
  ++wider.num_inference_steps;
  std::vector<std::int64_t> timesteps = spaced_timesteps(total, wider);
  timesteps.pop_back();
  return timesteps;
}

/// σ of every timestep, in float32 as in diffusers. The roots are rounded from float64: processors
/// differ in the last bit of a float32 one, which shows where σ is in the thousands.
std::vector<float> training_sigmas(const NoiseSchedule& schedule) {
  at::Tensor bars = schedule.alphas_cumprod().to(at::kFloat);
  bars = at::where(bars == 0.0, kSmallestAlphaCumprod, bars);
  const at::Tensor sigmas = ((1.0 - bars) / bars).to(at::kDouble).sqrt().to(at::kFloat);
  const float* first = sigmas.const_data_ptr<float>();
  return {first, first + sigmas.numel()};
}

/// Variance-preserving levels at timesteps, which may be fractions. σ is rounded to float32 as in
/// diffusers.
SamplingGrid interpolated_grid(const NoiseSchedule& schedule,
                               const std::vector<double>& timesteps) {
  const std::vector<float> sigmas = training_sigmas(schedule);
  std::vector<NoiseLevel> levels;
  for (const double t : timesteps) {
    const auto below = static_cast<std::size_t>(t);
    const double rest = t - static_cast<double>(below);
    double sigma = sigmas.at(below);
    if (rest > 0.0) sigma += rest * (double{sigmas.at(below + 1)} - sigma);
    levels.push_back(NoiseLevel::of_sigma(static_cast<float>(sigma)));
  }
  return chain(timesteps, levels);
}

double shifted(double sigma, double shift) {
  return shift * sigma / (1.0 + (shift - 1.0) * sigma);
}

/// Steps on the straight path; the network is told whole timesteps, rounded down.
SamplingGrid straight_grid(const NoiseSchedule& schedule, const std::vector<double>& sigmas) {
  std::vector<double> timesteps;
  std::vector<NoiseLevel> levels;
  for (const double sigma : sigmas) {
    timesteps.push_back(std::trunc(sigma * static_cast<double>(schedule.num_train_timesteps())));
    levels.push_back(NoiseLevel::on_straight_path(static_cast<float>(sigma)));
  }
  return chain(timesteps, levels);
}

/// The first n of n + 1 values evenly from 1 to 1/N.
std::vector<double> falling_from_one(const NoiseSchedule& schedule, const SolverOptions& options) {
  check_steps(options.num_inference_steps, schedule.num_train_timesteps());
  const double last = 1.0 / static_cast<double>(schedule.num_train_timesteps());
  const double step = (last - 1.0) / static_cast<double>(options.num_inference_steps);
  std::vector<double> values;
  for (std::int64_t i = 0; i < options.num_inference_steps; ++i) {
    values.push_back(static_cast<double>(i) * step + 1.0);
  }
  return values;
}

}  // namespace

std::vector<std::int64_t> spaced_timesteps(std::int64_t num_train_timesteps,
                                           const SolverOptions& options) {
  const auto total = num_train_timesteps;
  const auto n = options.num_inference_steps;
  check_steps(n, total);
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

SamplingGrid ddpm_grid(const NoiseSchedule& schedule, const SolverOptions& options) {
  const auto timesteps = spaced_timesteps(schedule.num_train_timesteps(), options);
  std::vector<NoiseLevel> levels;
  for (const std::int64_t t : timesteps) levels.push_back(schedule.level(t));
  return chain(to_double(timesteps), levels);
}

SamplingGrid ddim_grid(const NoiseSchedule& schedule, const SolverOptions& options) {
  const auto total = schedule.num_train_timesteps();
  const NoiseLevel last = options.set_alpha_to_one ? NoiseLevel{} : schedule.level(0);
  SamplingGrid grid = ddpm_grid(schedule, options);
  grid.back().to = last;
  if (!options.reproduce_diffusers) return grid;
  for (GridStep& step : grid) {
    const auto next =
        static_cast<std::int64_t>(step.timestep) - total / options.num_inference_steps;
    step.to = next < 0 ? last : schedule.level(next);
  }
  return grid;
}

SamplingGrid dpmsolver_grid(const NoiseSchedule& schedule, const SolverOptions& options) {
  if (!schedule.is_flow()) {
    return interpolated_grid(
        schedule, to_double(multistep_timesteps(schedule.num_train_timesteps(), options)));
  }
  // σ = 1 − α for α evenly from 1/N, which is left out at the clean end, to 1.
  std::vector<double> alphas = falling_from_one(schedule, options);
  alphas.push_back(1.0 / static_cast<double>(schedule.num_train_timesteps()));
  std::vector<double> sigmas;
  for (auto alpha = alphas.rbegin(); alpha + 1 != alphas.rend(); ++alpha) {
    sigmas.push_back(shifted(1.0 - *alpha, options.flow_shift));
  }
  return straight_grid(schedule, sigmas);
}

SamplingGrid unipc_grid(const NoiseSchedule& schedule, const SolverOptions& options) {
  if (!schedule.is_flow()) return dpmsolver_grid(schedule, options);
  std::vector<double> sigmas = falling_from_one(schedule, options);
  for (double& sigma : sigmas) sigma = shifted(sigma, options.flow_shift);
  if (std::abs(sigmas[0] - 1.0) < kFlowStart) sigmas[0] -= kFlowStart;
  return straight_grid(schedule, sigmas);
}

SamplingGrid sigma_grid(const NoiseSchedule& schedule, const SolverOptions& options) {
  const auto total = schedule.num_train_timesteps();
  const auto n = options.num_inference_steps;
  std::vector<double> timesteps = to_double(spaced_timesteps(total, options));
  if (options.timestep_spacing == "linspace" && n > 1) {
    const double stride = static_cast<double>(total - 1) / static_cast<double>(n - 1);
    for (std::size_t i = 0; i < timesteps.size(); ++i) {
      timesteps[i] = static_cast<float>(static_cast<double>(timesteps.size() - 1 - i) * stride);
    }
  }
  return interpolated_grid(schedule, timesteps);
}

SamplingGrid flow_grid(const NoiseSchedule& schedule, const SolverOptions& options) {
  const auto n = options.num_inference_steps;
  check_steps(n, schedule.num_train_timesteps());
  const auto total = static_cast<float>(schedule.num_train_timesteps());
  const auto shift = static_cast<float>(options.flow_shift);
  // As in diffusers the range is shifted, and then each value in it again.
  const float lowest = shift / total / (1.0F + (shift - 1.0F) / total);
  const double first = total;
  const double stride = n > 1 ? (double{lowest} * total - first) / static_cast<double>(n - 1) : 0.0;
  std::vector<double> timesteps;
  std::vector<NoiseLevel> levels;
  for (std::int64_t i = 0; i < n; ++i) {
    const double even = (first + static_cast<double>(i) * stride) / total;
    const auto sigma = static_cast<float>(shifted(even, options.flow_shift));
    timesteps.push_back(sigma * total);
    levels.push_back(NoiseLevel::on_straight_path(sigma));
  }
  return chain(timesteps, levels);
}

}  // namespace echopath::diffusion
