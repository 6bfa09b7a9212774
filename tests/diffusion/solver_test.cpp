#include "echopath/diffusion/solver.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"

namespace echopath::diffusion {
namespace {

using Timesteps = std::vector<std::int64_t>;

Timesteps spaced(const std::string& spacing, std::int64_t steps, std::int64_t offset = 0) {
  SolverOptions options;
  options.timestep_spacing = spacing;
  options.num_inference_steps = steps;
  options.steps_offset = offset;
  return spaced_timesteps(1000, options);
}

/// v of a network that knows the data to be N(mean, deviation²) in every dimension.
at::Tensor gaussian_velocity(const NoiseSchedule& schedule, const at::Tensor& x, double t,
                             double mean, double deviation) {
  const double bar = schedule.alpha_cumprod(static_cast<std::int64_t>(t));
  const double signal = std::sqrt(bar);
  const double variance = bar * deviation * deviation + 1.0 - bar;
  const at::Tensor x0 = mean + (signal * deviation * deviation / variance) * (x - signal * mean);
  return (signal * x - x0) / std::sqrt(1.0 - bar);
}

/// Runs a solver on Gaussian data from `x`; noise is keyed by the step.
at::Tensor run(const NoiseSchedule& schedule, const SolverOptions& options, at::Tensor x,
               double mean, double deviation) {
  const auto solver = make_solver(schedule, options);
  for (std::size_t i = 0; i < solver->timesteps().size(); ++i) {
    const at::Tensor v = gaussian_velocity(schedule, x, solver->timesteps()[i], mean, deviation);
    x = solver->step(v, i, x, [&] {
      return normal_tensor(x.sizes(), {3, Stream::kSolverNoise, static_cast<std::uint32_t>(i), 0});
    });
  }
  return x;
}

TEST(TimestepSpacing, LeadingTakesMultiplesOfTheStride) {
  const Timesteps of_64 = spaced("leading", 64);
  EXPECT_EQ(of_64.size(), 64U);
  EXPECT_EQ(of_64[0], 945);
  EXPECT_EQ(of_64[1], 930);
  EXPECT_EQ(of_64.back(), 0);
  EXPECT_EQ(spaced("leading", 128)[0], 889);
  EXPECT_EQ(spaced("leading", 256)[0], 765);
  EXPECT_EQ(spaced("leading", 256)[1], 762);
  EXPECT_EQ(spaced("leading", 4, 1), Timesteps({751, 501, 251, 1}));
}

TEST(TimestepSpacing, TrailingStartsAtTheNoisiest) {
  EXPECT_EQ(spaced("trailing", 4), Timesteps({999, 749, 499, 249}));
  EXPECT_EQ(spaced("trailing", 3), Timesteps({999, 666, 332}));
}

TEST(TimestepSpacing, LinspaceTakesBothEnds) {
  EXPECT_EQ(spaced("linspace", 4), Timesteps({999, 666, 333, 0}));
  EXPECT_EQ(spaced("linspace", 1), Timesteps({0}));
}

TEST(TimestepSpacing, RefusesWhatDoesNotFitTheSchedule) {
  EXPECT_THROW(spaced("leading", 0), ConfigError);
  EXPECT_THROW(spaced("leading", 1001), ConfigError);
  EXPECT_THROW(spaced("karras", 10), ConfigError);
  EXPECT_THROW(spaced("leading", 1000, 1), ConfigError);
}

TEST(MakeSolver, ListsTheKnownOnesForAnUnknownName) {
  SolverOptions options;
  options.name = "karras";
  try {
    make_solver(NoiseSchedule(), options);
    FAIL() << "an unknown solver was made";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("known solvers: ddpm, ddim, "), std::string::npos);
  }
}

TEST(MakeSolver, RefusesOptionsOutOfRange) {
  SolverOptions ddpm;
  ddpm.name = "ddpm";
  ddpm.variance_type = "learnt";
  EXPECT_THROW(make_solver(NoiseSchedule(), ddpm), ConfigError);
  SolverOptions ddim;
  ddim.eta = 1.5;
  EXPECT_THROW(make_solver(NoiseSchedule(), ddim), ConfigError);
  ddim = {};
  ddim.clip_sample_range = 0.0;
  EXPECT_THROW(make_solver(NoiseSchedule(), ddim), ConfigError);
  SolverOptions unipc;
  unipc.name = "unipc";
  for (const std::int64_t order : {0, 4}) {
    unipc.solver_order = order;
    EXPECT_THROW(make_solver(NoiseSchedule(), unipc), ConfigError) << order;
  }
  unipc.solver_order = 2;
  unipc.num_inference_steps = 1000;  // linspace and leading lay one more and drop it
  EXPECT_THROW(make_solver(NoiseSchedule(), unipc), ConfigError);
  EXPECT_THROW(make_solver(NoiseSchedule(), {}, {}), ConfigError);
}

TEST(MakeSolver, RefusesPredictionsAndSchedulesThatASolverDoesNotTake) {
  const auto error_of = [](const std::string& solver, const NoiseScheduleOptions& schedule) {
    SolverOptions options;
    options.name = solver;
    try {
      make_solver(NoiseSchedule(schedule), options);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  NoiseScheduleOptions flow;
  flow.prediction_type = "flow_prediction";
  for (const char* solver : {"ddpm", "ddim", "euler", "heun"}) {
    EXPECT_NE(error_of(solver, flow)
                  .find("does not know the model's prediction type "
                        "flow_prediction; use one of dpmsolver++, "
                        "sde-dpmsolver++, unipc, flow_euler"),
              std::string::npos)
        << solver;
  }
  for (const char* type : {"epsilon", "v_prediction", "sample"}) {
    NoiseScheduleOptions schedule;
    schedule.prediction_type = type;
    EXPECT_NE(error_of("flow_euler", schedule).find(std::string("prediction type ") + type),
              std::string::npos);
  }
  NoiseScheduleOptions zero_snr;
  zero_snr.rescale_betas_zero_snr = true;
  EXPECT_NE(error_of("heun", zero_snr).find("rescale_betas_zero_snr"), std::string::npos);
  EXPECT_EQ(error_of("euler", zero_snr), "");
}

TEST(MakeSolver, RefusesEpsilonWithoutSignalUnlessItIsClipped) {
  NoiseScheduleOptions schedule;
  schedule.prediction_type = "epsilon";
  schedule.rescale_betas_zero_snr = true;
  const auto make = [&](const std::string& name, const char* spacing, bool clip) {
    SolverOptions options;
    options.name = name;
    options.num_inference_steps = 10;
    options.timestep_spacing = spacing;
    options.clip_sample = clip;
    return make_solver(NoiseSchedule(schedule), options);
  };
  for (const char* name : {"ddpm", "ddim"}) {
    for (const char* spacing : {"trailing", "linspace"}) {  // both start at the last timestep
      try {
        make(name, spacing, false);
        FAIL() << name << " divides by zero";
      } catch (const ConfigError& error) {
        const std::string text = error.what();
        EXPECT_NE(text.find(std::string("solver '") + name + "' cannot follow prediction_type " +
                            "epsilon from timestep 999"),
                  std::string::npos)
            << text;
      }
      const at::Tensor x = at::tensor({0.3F, -0.2F}).view({1, 2});
      const auto noise = [] { return at::zeros({1, 2}); };
      EXPECT_TRUE(
          at::isfinite(make(name, spacing, true)->step(2 * x, 0, x, noise)).all().item<bool>());
    }
    EXPECT_NO_THROW(make(name, "leading", false)) << "it starts lower, where there is signal";
  }
  for (const char* name : {"dpmsolver++", "sde-dpmsolver++", "unipc", "euler"}) {
    EXPECT_NO_THROW(make(name, "trailing", false)) << name << " starts a little below";
  }
}

TEST(Solver, ClipsThePredictedSampleWhateverTheSolver) {
  for (const std::string& name : solver_names()) {
    NoiseScheduleOptions schedule;
    schedule.prediction_type = name == "flow_euler" ? "flow_prediction" : "sample";
    SolverOptions options;
    options.name = name;
    options.num_inference_steps = 1;
    options.timestep_spacing = "trailing";
    options.clip_sample_range = 0.5;
    options.variance_type = "fixed_small";
    const auto solver = make_solver(NoiseSchedule(schedule), options);
    const at::Tensor x = at::zeros({1, 2});
    // The answer says that x_0 is (3, −0.2): the flow from x_0 to a sample of 0 is −x_0.
    const at::Tensor x0 = at::tensor({3.0F, -0.2F}).view({1, 2});
    const at::Tensor output = name == "flow_euler" ? -x0 : x0;
    const at::Tensor result = solver->step(output, 0, x, [] { return at::zeros({1, 2}); });
    EXPECT_NEAR(result[0][0].item<float>(), 0.5F, 1e-4) << name;
    EXPECT_NEAR(result[0][1].item<float>(), -0.2F, 1e-4) << name;
  }
}

TEST(Solver, SaysHowNoisyItsSampleIsAndWhatTheNetworkSees) {
  for (const std::string& name : solver_names()) {
    NoiseScheduleOptions schedule;
    if (name == "flow_euler") schedule.prediction_type = "flow_prediction";
    SolverOptions options;
    options.name = name;
    options.num_inference_steps = 7;
    const auto solver = make_solver(NoiseSchedule(schedule), options);
    ASSERT_EQ(static_cast<std::int64_t>(solver->timesteps().size()), evaluation_count(options));
    const at::Tensor x0 = at::full({1, 4}, 0.7, at::kDouble);
    const at::Tensor noise = at::full({1, 4}, -1.2, at::kDouble);
    for (std::size_t i = 0; i < solver->timesteps().size(); ++i) {
      const at::Tensor sample = solver->schedule().add_noise(x0, noise, solver->level(i));
      const at::Tensor seen = solver->schedule().add_noise(x0, noise, solver->input_level(i));
      EXPECT_TRUE(at::allclose(solver->scale_model_input(sample, i), seen, 1e-12, 1e-12))
          << name << " at " << i;
    }
  }
}

TEST(Ddpm, LearnedVariancesNeedTwiceTheChannels) {
  SolverOptions options;
  options.name = "ddpm";
  options.variance_type = "learned_range";
  options.num_inference_steps = 2;
  const auto solver = make_solver(NoiseSchedule(), options);
  const at::Tensor x = at::ones({1, 3, 2, 4});
  const auto noise = [&] { return at::ones({1, 3, 2, 4}); };
  EXPECT_THROW(solver->step(x, 0, x, noise), ConfigError);
  // [B, T, C, …]: the variance is found on whichever axis is doubled.
  const at::Tensor output = at::cat({x, at::full_like(x, -1.0)}, 2);
  SolverOptions small = options;
  small.variance_type = "fixed_small";
  const at::Tensor expected = make_solver(NoiseSchedule(), small)->step(x, 0, x, noise);
  // −1 is the low end of the range, the small variance.
  EXPECT_TRUE(at::allclose(solver->step(output, 0, x, noise), expected, 1e-6, 1e-6));
}

TEST(Ddpm, LogFormsOfTheFixedVariancesAreTheVariances) {
  const at::Tensor x = normal_tensor({1, 6}, {4, Stream::kInitialNoise, 0, 0});
  const auto step = [&](const std::string& variance_type) {
    SolverOptions options;
    options.name = "ddpm";
    options.variance_type = variance_type;
    return make_solver(NoiseSchedule(), options)->step(x, 0, x, [&] { return at::ones({1, 6}); });
  };
  // diffusers 0.42.1 takes the root of the logarithm for fixed_large_log, which is NaN.
  EXPECT_TRUE(at::equal(step("fixed_large_log"), step("fixed_large")));
  EXPECT_TRUE(at::equal(step("fixed_small_log"), step("fixed_small")));
  EXPECT_FALSE(at::allclose(step("fixed_large"), step("fixed_small")));
}

TEST(Solver, ClipsThePredictedSample) {
  SolverOptions options;
  options.num_inference_steps = 1;
  options.timestep_spacing = "trailing";
  options.clip_sample_range = 0.5;
  const NoiseSchedule schedule;
  const at::Tensor x = at::zeros({1, 2});
  // At t = 999 v is nearly −x0, and one DDIM step answers x0 itself.
  const at::Tensor v = at::tensor({-3.0F, 0.2F}).view({1, 2});
  const at::Tensor result = make_solver(schedule, options)->step(v, 0, x, {});
  EXPECT_NEAR(result[0][0].item<float>(), 0.5F, 1e-4);
  EXPECT_NEAR(result[0][1].item<float>(), -0.2F, 1e-4);
}

TEST(Solver, LastDdpmStepAsksForNoNoise) {
  SolverOptions options;
  options.name = "ddpm";
  options.num_inference_steps = 2;
  const auto solver = make_solver(NoiseSchedule(), options);
  int asked = 0;
  const auto noise = [&] {
    ++asked;
    return at::zeros({1, 2});
  };
  at::Tensor x = at::ones({1, 2});
  x = solver->step(x, 0, x, noise);
  EXPECT_EQ(asked, 1);
  solver->step(x, 1, x, noise);
  EXPECT_EQ(asked, 1);
}

TEST(Ddim, ApproachesTheExactFlowOfGaussianDataAtFirstOrder) {
  const NoiseSchedule schedule;
  const double mean = 0.5;
  const double deviation = 0.7;
  const at::Tensor start = normal_tensor({1, 256}, {1, Stream::kInitialNoise, 0, 0});
  const double bar = schedule.alpha_cumprod(999);
  const at::Tensor exact = mean + deviation * (start - std::sqrt(bar) * mean) /
                                      std::sqrt(bar * deviation * deviation + 1.0 - bar);
  std::vector<double> errors;
  for (const std::int64_t steps : {25, 50, 100, 200}) {
    SolverOptions options;
    options.num_inference_steps = steps;
    options.timestep_spacing = "trailing";
    options.clip_sample = false;
    const at::Tensor x = run(schedule, options, start, mean, deviation);
    errors.push_back((x - exact).abs().max().item<double>());
  }
  EXPECT_LT(errors.back(), 0.02);
  for (std::size_t i = 1; i < errors.size(); ++i) {
    EXPECT_GT(errors[i - 1] / errors[i], 1.6) << "from step count " << i;
    EXPECT_LT(errors[i - 1] / errors[i], 2.6) << "from step count " << i;
  }
}

TEST(Ddim, ReproducingDiffusersStraysFromTheExactFlowExceptWithItsOwnSpacing) {
  const NoiseSchedule schedule;
  const at::Tensor start = normal_tensor({1, 256}, {1, Stream::kInitialNoise, 0, 0});
  const auto end = [&](const char* spacing, bool reproduce) {
    SolverOptions options;
    options.num_inference_steps = 300;
    options.timestep_spacing = spacing;
    options.clip_sample = false;
    options.reproduce_diffusers = reproduce;
    return run(schedule, options, start, 0.5, 0.7);
  };
  const double bar = schedule.alpha_cumprod(999);
  const at::Tensor exact =
      0.5 + 0.7 * (start - std::sqrt(bar) * 0.5) / std::sqrt(bar * 0.49 + 1.0 - bar);
  for (const char* spacing : {"linspace", "trailing"}) {
    const double method = (end(spacing, false) - exact).abs().max().item<double>();
    const double reproduced = (end(spacing, true) - exact).abs().max().item<double>();
    EXPECT_LT(2.0 * method, reproduced) << spacing;
  }
  EXPECT_TRUE(at::equal(end("leading", false), end("leading", true)));
}

TEST(Ddpm, ReproducingDiffusersLeavesNoiseAfterALastStepAboveZero) {
  const at::Tensor x = at::ones({1, 2});
  const auto asks = [&](const char* spacing, bool reproduce) {
    SolverOptions options;
    options.name = "ddpm";
    options.variance_type = "fixed_large";
    options.num_inference_steps = 1;
    options.timestep_spacing = spacing;
    options.reproduce_diffusers = reproduce;
    bool asked = false;
    make_solver(NoiseSchedule(), options)->step(x, 0, x, [&] {
      asked = true;
      return at::zeros({1, 2});
    });
    return asked;
  };
  EXPECT_TRUE(asks("trailing", true));
  EXPECT_FALSE(asks("trailing", false));
  EXPECT_FALSE(asks("leading", true));
}

TEST(Ddpm, DrawsGaussianDataWithItsMeanAndDeviation) {
  SolverOptions options;
  options.name = "ddpm";
  options.num_inference_steps = 1000;
  options.clip_sample = false;
  const at::Tensor start = normal_tensor({1, 4000}, {1, Stream::kInitialNoise, 0, 0});
  const at::Tensor x = run(NoiseSchedule(), options, start, 0.5, 0.7);
  EXPECT_NEAR(x.mean().item<double>(), 0.5, 4 * 0.7 / std::sqrt(4000.0));
  EXPECT_NEAR(x.std().item<double>(), 0.7, 4 * 0.7 / std::sqrt(8000.0));
}

TEST(Ddim, WithFullEtaDrawsGaussianDataLikeDdpm) {
  SolverOptions options;
  options.eta = 1.0;
  options.num_inference_steps = 500;
  options.clip_sample = false;
  const at::Tensor start = normal_tensor({1, 4000}, {2, Stream::kInitialNoise, 0, 0});
  const at::Tensor x = run(NoiseSchedule(), options, start, -0.3, 0.4);
  EXPECT_NEAR(x.mean().item<double>(), -0.3, 4 * 0.4 / std::sqrt(4000.0));
  EXPECT_NEAR(x.std().item<double>(), 0.4, 4 * 0.4 / std::sqrt(8000.0));
}

}  // namespace
}  // namespace echopath::diffusion
