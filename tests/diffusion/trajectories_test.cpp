// tests/fixtures/diffusion/trajectories.safetensors, made by make_trajectories.py beside it.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "echopath/diffusion/solver.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::diffusion {
namespace {

using Json = nlohmann::json;

const io::SafetensorsFile& fixture() {
  static const io::SafetensorsFile file(ECHOPATH_SOURCE_DIR
                                        "/tests/fixtures/diffusion/trajectories.safetensors");
  return file;
}

struct Case {
  NoiseScheduleOptions schedule;
  SolverOptions solver;
};

void set(Case& options, const std::string& key, const Json& value) {
  if (key == "num_train_timesteps") options.schedule.num_train_timesteps = value;
  if (key == "beta_schedule") options.schedule.beta_schedule = value;
  if (key == "prediction_type") options.schedule.prediction_type = value;
  if (key == "rescale_betas_zero_snr") options.schedule.rescale_betas_zero_snr = value;
  if (key == "variance_type") options.solver.variance_type = value;
  if (key == "eta") options.solver.eta = value;
  if (key == "set_alpha_to_one") options.solver.set_alpha_to_one = value;
  if (key == "clip_sample") options.solver.clip_sample = value;
  if (key == "solver_order") options.solver.solver_order = value;
  if (key == "flow_shift") options.solver.flow_shift = value;
  if (key == "timestep_spacing") {
    const std::string spacing = value;
    options.solver.steps_offset = spacing.ends_with("+1") ? 1 : 0;
    options.solver.timestep_spacing = spacing.substr(0, spacing.find('+'));
  }
}

/// The formula of network() in make_trajectories.py.
at::Tensor network(const at::Tensor& x, double t, bool learned) {
  const at::Tensor wide = x.to(at::kDouble);
  at::Tensor output = 0.5 * at::sin(1.3 * wide + 0.002 * t) + 0.2 * wide;
  if (learned) output = at::cat({output, 0.5 + 0.4 * at::sin(2.0 * wide)}, 1);
  return output.to(x.scalar_type());
}

/// Largest error after any step, as a share of the sample's largest magnitude where that is over 1.
double walk_error(const Case& options, const at::Tensor& expected, const at::Tensor& timesteps) {
  const auto solver = make_solver(NoiseSchedule(options.schedule), options.solver);
  EXPECT_EQ(static_cast<std::int64_t>(solver->timesteps().size()), expected.size(0));
  at::Tensor x = fixture().tensor("initial") * solver->initial_scale();
  double worst = 0.0;
  for (std::size_t i = 0; i < solver->timesteps().size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const double t = solver->timesteps()[i];
    EXPECT_EQ(static_cast<float>(t), timesteps[row].item<float>());
    const at::Tensor output = network(solver->scale_model_input(x, i), t,
                                      options.solver.variance_type.starts_with("learned"));
    x = solver->step(output, i, x, [&] { return fixture().tensor("noise")[row]; });
    const double size = std::max(1.0, expected[row].abs().max().item<double>());
    worst = std::max(worst, (x - expected[row]).abs().max().item<double>() / size);
  }
  return worst;
}

class Trajectories : public testing::TestWithParam<const char*> {};

TEST_P(Trajectories, AgreeWithDiffusersInEveryCombination) {
  const std::string name = GetParam();
  const Json axes = Json::parse(fixture().metadata().at("axes"))[name];
  std::int64_t count = 1;
  for (const Json& axis : axes) count *= static_cast<std::int64_t>(axis[1].size());
  const auto rows = [&](const std::string& tensor) {
    const at::Tensor all = fixture().tensor(tensor);
    return all.flatten(0, static_cast<std::int64_t>(axes.size()) - 1);
  };
  const at::Tensor states = rows(name);
  const at::Tensor timesteps = rows(name + ".timesteps");
  ASSERT_EQ(states.size(0), count);
  for (std::int64_t row = 0; row < count; ++row) {
    Case options;
    options.solver.name = name.substr(0, name.find('.'));
    options.solver.num_inference_steps = 10;
    options.solver.clip_sample = name.starts_with("dd");
    options.solver.clip_sample_range = 0.8;
    options.solver.reproduce_diffusers = true;
    std::string label = name;
    std::int64_t rest = row;
    for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
      const Json& values = (*axis)[1];
      const Json& value = values[static_cast<std::size_t>(rest) % values.size()];
      rest /= static_cast<std::int64_t>(values.size());
      set(options, (*axis)[0], value);
      label += " " + value.dump();
    }
    EXPECT_LE(walk_error(options, states[row], timesteps[row]), 1e-5) << label;
  }
}

INSTANTIATE_TEST_SUITE_P(Solvers, Trajectories,
                         testing::Values("ddpm", "ddim", "dpmsolver++", "sde-dpmsolver++", "unipc",
                                         "euler", "heun", "ddpm.uneven", "ddim.uneven",
                                         "dpmsolver++.uneven", "unipc.uneven", "euler.uneven",
                                         "heun.uneven", "ddpm.unclipped", "ddim.unclipped",
                                         "ddpm.unclipped.zero_snr", "ddim.unclipped.zero_snr",
                                         "dpmsolver++.flow", "sde-dpmsolver++.flow", "unipc.flow",
                                         "flow_euler"));

}  // namespace
}  // namespace echopath::diffusion
