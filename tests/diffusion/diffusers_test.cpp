// Values of tests/fixtures/diffusion/diffusers.json, made by make_fixtures.py beside it.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "echopath/diffusion/schedule.hpp"
#include "echopath/diffusion/solver.hpp"

namespace echopath::diffusion {
namespace {

using Json = nlohmann::json;

const Json& fixture() {
  static const Json document = [] {
    std::ifstream file(ECHOPATH_SOURCE_DIR "/tests/fixtures/diffusion/diffusers.json");
    return Json::parse(file);
  }();
  return document;
}

at::Tensor tensor_of(const Json& numbers) {
  const auto values = numbers.get<std::vector<float>>();
  return at::tensor(values, at::kFloat).view(fixture()["shape"].get<std::vector<std::int64_t>>());
}

/// The formula of network() in make_fixtures.py.
at::Tensor network(const at::Tensor& x, double t) {
  return 0.5 * at::sin(1.3 * x + 0.002 * t) + 0.2 * x;
}

TEST(DiffusersReference, SchedulesAgree) {
  ASSERT_EQ(fixture()["schedules"].size(), 6U);
  for (const Json& row : fixture()["schedules"]) {
    NoiseScheduleOptions options;
    options.beta_schedule = row["beta_schedule"];
    options.rescale_betas_zero_snr = row["rescale_betas_zero_snr"];
    const NoiseSchedule schedule(options);
    for (std::size_t i = 0; i < row["index"].size(); ++i) {
      const double expected = row["alphas_cumprod"][i];
      EXPECT_NEAR(schedule.alpha_cumprod(row["index"][i]), expected, 1e-6 * expected + 1e-12)
          << options.beta_schedule << " at " << row["index"][i];
    }
  }
}

TEST(DiffusersReference, TrajectoriesAgree) {
  ASSERT_EQ(fixture()["trajectories"].size(), 8U);
  for (const Json& row : fixture()["trajectories"]) {
    NoiseScheduleOptions schedule_options;
    schedule_options.prediction_type = row["prediction_type"];
    schedule_options.rescale_betas_zero_snr = row.value("rescale_betas_zero_snr", false);
    SolverOptions options;
    options.name = row["name"];
    options.num_inference_steps = static_cast<std::int64_t>(row["timesteps"].size());
    options.timestep_spacing = row["timestep_spacing"];
    options.steps_offset = row.value("steps_offset", 0);
    options.clip_sample_range = row["clip_sample_range"];
    options.eta = row.value("eta", 0.0);
    options.variance_type = row.value("variance_type", "fixed_small");
    options.set_alpha_to_one = row.value("set_alpha_to_one", true);
    const std::string label = row.dump().substr(0, 200);

    const auto solver = make_solver(NoiseSchedule(schedule_options), options);
    EXPECT_EQ(solver->timesteps(), row["timesteps"].get<std::vector<double>>()) << label;
    at::Tensor x = tensor_of(fixture()["initial"]);
    for (std::size_t i = 0; i < solver->timesteps().size(); ++i) {
      x = solver->step(network(x, solver->timesteps()[i]), i, x,
                       [&] { return tensor_of(fixture()["noise"][i]); });
      if (i == 4) {
        EXPECT_LT((x - tensor_of(row["after_step_5"])).abs().max().item<float>(), 1e-5F) << label;
      }
    }
    EXPECT_LT((x - tensor_of(row["final"])).abs().max().item<float>(), 1e-5F) << label;
  }
}

}  // namespace
}  // namespace echopath::diffusion
