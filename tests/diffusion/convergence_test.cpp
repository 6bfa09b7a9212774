// Solvers against mathematics. For Gaussian data the best network is known, the probability-flow
// ODE is affine with an exact solution, and so is every marginal (Song et al. 2021).
#include <gtest/gtest.h>

#include <cmath>

#include "echopath/core/random.hpp"
#include "echopath/diffusion/solver.hpp"

namespace echopath::diffusion {
namespace {

/// Data N(mean, covariance) of two dimensions, float64.
struct Gaussian {
  at::Tensor mean = at::tensor({0.5, -0.3}, at::kDouble);
  at::Tensor covariance = at::tensor({0.49, 0.18, 0.18, 0.25}, at::kDouble).view({2, 2});

  /// E[x_0 | x], x [K, 2].
  at::Tensor denoise(const at::Tensor& x, const NoiseLevel& level) const {
    const at::Tensor gain = level.signal * at::linalg_solve(marginal(level), covariance);
    return mean + at::matmul(x - level.signal * mean, gain);
  }

  /// Covariance of x at this level.
  at::Tensor marginal(const NoiseLevel& level) const {
    return level.signal * level.signal * covariance +
           level.noise * level.noise * at::eye(2, at::kDouble);
  }

  /// A linear map of z ~ N(0, 1) to x at this level, the same z along the whole flow.
  at::Tensor at_level(const at::Tensor& z, const NoiseLevel& level) const {
    const auto [variances, axes] = at::linalg_eigh(covariance);
    const at::Tensor deviations =
        (level.signal * level.signal * variances + level.noise * level.noise).sqrt();
    return level.signal * mean + at::matmul(z * deviations, axes.t());
  }
};

/// What a network of this prediction type answers that knows x_0 to be `x0`.
at::Tensor answer(const std::string& type, const at::Tensor& x0, const at::Tensor& x,
                  const NoiseLevel& level) {
  const at::Tensor epsilon = (x - level.signal * x0) / level.noise;
  if (type == "epsilon") return epsilon;
  if (type == "sample") return x0;
  if (type == "flow_prediction") return epsilon - x0;
  return level.signal * epsilon - level.noise * x0;
}

/// Steps evenly in λ = ln(signal / noise) from −3 to 2: noisy at both ends.
SamplingGrid continuous_grid(int steps, bool flow) {
  SamplingGrid grid;
  const auto level = [&](int i) {
    const double lambda = -3.0 + 5.0 * i / steps;
    return flow ? NoiseLevel::on_straight_path(1.0 / (1.0 + std::exp(lambda)))
                : NoiseLevel::of_sigma(std::exp(-lambda));
  };
  for (int i = 0; i < steps; ++i) grid.push_back({1000.0 - i, level(i), level(i + 1)});
  return grid;
}

struct Method {
  const char* solver;
  const char* prediction_type;
  std::int64_t solver_order = 2;
  double expected_order = 1.0;
};

std::ostream& operator<<(std::ostream& out, const Method& method) {
  return out << method.solver << " " << method.solver_order << " " << method.prediction_type;
}

SolverOptions options_of(const Method& method) {
  SolverOptions options;
  options.name = method.solver;
  options.solver_order = method.solver_order;
  options.clip_sample = false;
  return options;
}

NoiseSchedule schedule_of(const Method& method) {
  NoiseScheduleOptions options;
  options.prediction_type = method.prediction_type;
  return NoiseSchedule(options);
}

/// Walks z from the first level to the last and answers the sample there, in the scale of what a
/// network would see.
at::Tensor walk(const Method& method, const SolverOptions& options, int steps, const Gaussian& data,
                const at::Tensor& z) {
  const NoiseSchedule schedule = schedule_of(method);
  const SamplingGrid grid = continuous_grid(steps, schedule.is_flow());
  const auto solver = make_solver(schedule, options, grid);
  const double scale = solver->level(0).signal / solver->input_level(0).signal;
  at::Tensor x = data.at_level(z, grid[0].from) * scale;
  for (std::size_t i = 0; i < solver->timesteps().size(); ++i) {
    const NoiseLevel& level = solver->input_level(i);
    const at::Tensor input = solver->scale_model_input(x, i);
    const at::Tensor output =
        answer(method.prediction_type, data.denoise(input, level), input, level);
    x = solver->step(output, i, x, [&] {
      const auto place = static_cast<std::uint32_t>(i);
      return normal_tensor(x.sizes(), {3, Stream::kSolverNoise, place, 0}).to(at::kDouble);
    });
  }
  const bool scaled = solver->level(0).signal != solver->input_level(0).signal;
  return scaled ? x * grid.back().to.signal : x;
}

class Convergence : public testing::TestWithParam<Method> {};

TEST_P(Convergence, IsOfTheMethodsOrderOnTheExactFlowOfGaussianData) {
  const Method& method = GetParam();
  const Gaussian data;
  const at::Tensor z = normal_tensor({32, 2}, {1, Stream::kInitialNoise, 0, 0}).to(at::kDouble);
  const SamplingGrid ends = continuous_grid(1, schedule_of(method).is_flow());
  const at::Tensor exact = data.at_level(z, ends[0].to);
  std::vector<double> errors;
  for (const int steps : {40, 80, 160}) {
    const at::Tensor x = walk(method, options_of(method), steps, data, z);
    ASSERT_EQ(x.scalar_type(), at::kDouble);
    errors.push_back((x - exact).abs().max().item<double>());
  }
  for (std::size_t i = 1; i < errors.size(); ++i) {
    EXPECT_NEAR(std::log2(errors[i - 1] / errors[i]), method.expected_order, 0.25)
        << method.solver << " errors " << errors[i - 1] << ", " << errors[i];
  }
  EXPECT_LT(errors.back(), 0.02);
}

INSTANTIATE_TEST_SUITE_P(
    Solvers, Convergence,
    testing::Values(
        Method{"ddim", "v_prediction", 2, 1.0}, Method{"ddim", "epsilon", 2, 1.0},
        Method{"euler", "v_prediction", 2, 1.0}, Method{"euler", "sample", 2, 1.0},
        Method{"heun", "v_prediction", 2, 2.0}, Method{"heun", "epsilon", 2, 2.0},
        Method{"dpmsolver++", "v_prediction", 2, 2.0},
        Method{"dpmsolver++", "flow_prediction", 2, 2.0}, Method{"unipc", "v_prediction", 1, 2.0},
        Method{"unipc", "v_prediction", 2, 3.0}, Method{"unipc", "flow_prediction", 2, 3.0},
        Method{"unipc", "v_prediction", 3, 4.0}, Method{"flow_euler", "flow_prediction", 2, 1.0}));

class StochasticMarginal : public testing::TestWithParam<Method> {};

TEST_P(StochasticMarginal, HasMeanAndCovarianceOfGaussianData) {
  const Method& method = GetParam();
  const Gaussian data;
  const int count = 4000;
  const int steps = 400;
  SolverOptions options = options_of(method);
  options.eta = 1.0;
  const at::Tensor z = normal_tensor({count, 2}, {2, Stream::kInitialNoise, 0, 0}).to(at::kDouble);
  const at::Tensor x = walk(method, options, steps, data, z);
  const NoiseLevel last = continuous_grid(steps, schedule_of(method).is_flow()).back().to;
  const at::Tensor covariance = data.marginal(last);
  const at::Tensor mean = last.signal * data.mean;
  const at::Tensor mean_error = (x.mean(0) - mean) / (covariance.diagonal() / count).sqrt();
  EXPECT_LT(mean_error.abs().max().item<double>(), 4.0) << mean_error;
  const at::Tensor centred = x - x.mean(0);
  const at::Tensor estimate = at::matmul(centred.t(), centred) / (count - 1);
  const at::Tensor variances = covariance.diagonal();
  const at::Tensor error_of_estimate =
      ((at::outer(variances, variances) + covariance.square()) / count).sqrt();
  const at::Tensor error = (estimate - covariance) / error_of_estimate;
  EXPECT_LT(error.abs().max().item<double>(), 4.0) << error;
}

INSTANTIATE_TEST_SUITE_P(Solvers, StochasticMarginal,
                         testing::Values(Method{"ddpm", "v_prediction"}, Method{"ddim", "epsilon"},
                                         Method{"sde-dpmsolver++", "v_prediction"},
                                         Method{"sde-dpmsolver++", "flow_prediction"}));

}  // namespace
}  // namespace echopath::diffusion
