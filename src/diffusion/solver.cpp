#include "echopath/diffusion/solver.hpp"

#include "diffusion/grids.hpp"
#include "diffusion/solvers.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::diffusion {
namespace {

/// Which processes a solver can follow.
enum class Takes { kBetas, kBetasAndFlow, kFlow };

struct Entry {
  const char* name;
  Takes takes;
  SamplingGrid (*grid)(const NoiseSchedule&, const SolverOptions&);
  std::unique_ptr<Solver> (*make)(const NoiseSchedule&, const SolverOptions&, const SamplingGrid&);

  bool takes_schedule(bool flow) const {
    return takes == Takes::kBetasAndFlow || (takes == Takes::kFlow) == flow;
  }
};

/// Every solver, in one place: a new one is a new file and a line here.
constexpr Entry kSolvers[] = {
    {"ddpm", Takes::kBetas, &ddpm_grid, &make_ddpm},
    {"ddim", Takes::kBetas, &ddim_grid, &make_ddim},
    {"dpmsolver++", Takes::kBetasAndFlow, &dpmsolver_grid, &make_dpmsolver},
    {"sde-dpmsolver++", Takes::kBetasAndFlow, &dpmsolver_grid, &make_sde_dpmsolver},
    {"unipc", Takes::kBetasAndFlow, &unipc_grid, &make_unipc},
    {"euler", Takes::kBetas, &sigma_grid, &make_euler},
    {"heun", Takes::kBetas, &sigma_grid, &make_heun},
    {"flow_euler", Takes::kFlow, &flow_grid, &make_flow_euler},
};

/// The solver of this name, which must know the schedule's prediction type.
const Entry& entry_for(const NoiseSchedule& schedule, const SolverOptions& options) {
  const bool flow = schedule.is_flow();
  std::vector<std::string> fitting;
  const Entry* named = nullptr;
  for (const Entry& entry : kSolvers) {
    if (options.name == entry.name) named = &entry;
    if (entry.takes_schedule(flow)) fitting.emplace_back(entry.name);
  }
  if (named == nullptr) {
    throw ConfigError("solver '" + options.name +
                      "' is unknown; known solvers: " + join(solver_names(), ", "));
  }
  if (named->takes_schedule(flow)) return *named;
  throw ConfigError("solver '" + options.name + "' does not know the model's prediction type " +
                    schedule.options().prediction_type + "; use one of " + join(fitting, ", "));
}

/// ε says nothing of x_0 where there is no signal: it is infinite there, and only clipping makes a
/// number of it.
void check_signal(const NoiseSchedule& schedule, const SolverOptions& options,
                  const SamplingGrid& grid) {
  if (schedule.options().prediction_type != "epsilon" || options.clip_sample) return;
  for (const GridStep& step : grid) {
    if (step.from.signal > 0.0) continue;
    throw ConfigError("solver '" + options.name +
                      "' cannot follow prediction_type epsilon from timestep " +
                      std::to_string(static_cast<std::int64_t>(step.timestep)) +
                      ", where rescale_betas_zero_snr leaves no signal; use clip_sample, "
                      "timestep_spacing leading, or dpmsolver++, unipc or euler");
  }
}

}  // namespace

Solver::Solver(const NoiseSchedule& schedule, const SolverOptions& options, SamplingGrid grid)
    : schedule_(schedule), options_(options), grid_(std::move(grid)) {
  if (options_.clip_sample && !(options_.clip_sample_range > 0.0)) {
    throw ConfigError("clip_sample_range must be positive");
  }
  for (const GridStep& step : grid_) timesteps_.push_back(step.timestep);
}

at::Tensor Solver::scale_model_input(const at::Tensor& sample, std::size_t /*index*/) const {
  return sample;
}

at::Tensor Solver::clipped_x0(const at::Tensor& model_output, const at::Tensor& model_input,
                              const NoiseLevel& level) const {
  const at::Tensor x0 = schedule_.predict_x0(model_output, model_input, level);
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

std::int64_t evaluation_count(const SolverOptions& options) {
  const auto n = options.num_inference_steps;
  return options.name == "heun" ? 2 * n - 1 : n;
}

std::unique_ptr<Solver> make_solver(const NoiseSchedule& schedule, const SolverOptions& options) {
  const Entry& entry = entry_for(schedule, options);
  if (schedule.is_flow() && !(options.flow_shift > 0.0)) {
    throw ConfigError("flow_shift must be positive");
  }
  const SamplingGrid grid = entry.grid(schedule, options);
  check_signal(schedule, options, grid);
  return entry.make(schedule, options, grid);
}

std::unique_ptr<Solver> make_solver(const NoiseSchedule& schedule, const SolverOptions& options,
                                    const SamplingGrid& grid) {
  if (grid.empty()) throw ConfigError("a sampling grid must have at least one step");
  const Entry& entry = entry_for(schedule, options);
  check_signal(schedule, options, grid);
  return entry.make(schedule, options, grid);
}

}  // namespace echopath::diffusion
