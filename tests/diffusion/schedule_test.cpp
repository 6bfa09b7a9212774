#include "echopath/diffusion/schedule.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"

namespace echopath::diffusion {
namespace {

at::Tensor noise_like(std::vector<std::int64_t> sizes, std::uint32_t which) {
  return normal_tensor(sizes, {7, Stream::kTrainingNoise, which, 0});
}

NoiseSchedule schedule_of(const std::string& prediction_type) {
  NoiseScheduleOptions options;
  options.prediction_type = prediction_type;
  return NoiseSchedule(options);
}

TEST(NoiseSchedule, EndsNearlyWithoutSignal) {
  const NoiseSchedule schedule;
  EXPECT_NEAR(schedule.alpha_cumprod(999), 4.0358e-5, 1e-8);
  EXPECT_NEAR(std::sqrt(schedule.alpha_cumprod(765)), 0.051, 5e-4);
  EXPECT_EQ(schedule.alpha_cumprod(-1), 1.0);
  EXPECT_EQ(schedule.alphas_cumprod().size(0), 1000);
}

TEST(NoiseSchedule, ZeroTerminalSnrHasNoSignalAtTheEnd) {
  NoiseScheduleOptions options;
  options.rescale_betas_zero_snr = true;
  const NoiseSchedule rescaled(options);
  EXPECT_EQ(rescaled.alpha_cumprod(999), 0.0);
  EXPECT_NEAR(rescaled.alpha_cumprod(0), NoiseSchedule().alpha_cumprod(0), 1e-7);
}

TEST(NoiseSchedule, AddsNoiseByTheLevelOfEachItem) {
  const NoiseSchedule schedule;
  const at::Tensor x0 = at::ones({2, 3, 2, 2});
  const at::Tensor noise = at::full({2, 3, 2, 2}, 2.0);
  const at::Tensor x = schedule.add_noise(x0, noise, at::tensor({0, 999}, at::kLong));
  for (const std::int64_t item : {0, 1}) {
    const double bar = schedule.alpha_cumprod(item == 0 ? 0 : 999);
    const double expected = std::sqrt(bar) + 2.0 * std::sqrt(1.0 - bar);
    EXPECT_NEAR(x[item].min().item<double>(), expected, 1e-6);
    EXPECT_NEAR(x[item].max().item<double>(), expected, 1e-6);
  }
}

TEST(NoiseSchedule, VelocityIsTheRotationOfSampleAndNoise) {
  const NoiseSchedule schedule;
  const at::Tensor v =
      schedule.target(at::ones({1, 4}), at::full({1, 4}, 3.0), at::tensor({250}, at::kLong));
  const double bar = schedule.alpha_cumprod(250);
  EXPECT_NEAR(v.mean().item<double>(), 3.0 * std::sqrt(bar) - std::sqrt(1.0 - bar), 1e-6);
}

TEST(NoiseSchedule, TargetGivesBackSampleAndNoiseForEveryPredictionType) {
  for (const std::string& type : prediction_type_names()) {
    const NoiseSchedule schedule = schedule_of(type);
    for (const auto& sizes : {std::vector<std::int64_t>{3, 5}, {3, 4, 2, 2}, {3, 2, 4, 2, 2}}) {
      const at::Tensor x0 = noise_like(sizes, 0);
      const at::Tensor noise = noise_like(sizes, 1);
      const at::Tensor t = at::tensor({1, 300, 700}, at::kLong);
      const at::Tensor x = schedule.add_noise(x0, noise, t);
      const at::Tensor output = schedule.target(x0, noise, t);
      EXPECT_TRUE(at::allclose(schedule.predict_x0(output, x, t), x0, 0, 2e-5)) << type;
      EXPECT_TRUE(at::allclose(schedule.predict_epsilon(output, x, t), noise, 0, 2e-4)) << type;
    }
  }
}

TEST(NoiseSchedule, FlowRunsStraightFromDataToNoise) {
  const NoiseSchedule schedule = schedule_of("flow_prediction");
  EXPECT_EQ(schedule.options().first_timestep(), 1);
  EXPECT_EQ(NoiseSchedule().options().first_timestep(), 0);
  EXPECT_EQ(schedule.level(0).noise, 0.0);
  EXPECT_EQ(schedule.level(1000).signal, 0.0);
  const at::Tensor x0 = at::full({2, 3}, 0.5);
  const at::Tensor noise = at::full({2, 3}, -2.0);
  const at::Tensor t = at::tensor({250, 1000}, at::kLong);
  const at::Tensor x = schedule.add_noise(x0, noise, t);
  EXPECT_NEAR(x[0][0].item<double>(), 0.75 * 0.5 - 0.25 * 2.0, 1e-6);
  EXPECT_NEAR(x[1][0].item<double>(), -2.0, 1e-6);
  EXPECT_NEAR(schedule.target(x0, noise, t).mean().item<double>(), -2.5, 1e-6);
}

TEST(NoiseSchedule, OneTimestepForAllEqualsOnePerItem) {
  const NoiseSchedule schedule;
  const at::Tensor x = noise_like({2, 3}, 0);
  const at::Tensor y = noise_like({2, 3}, 1);
  const at::Tensor t = at::full({2}, 431, at::kLong);
  EXPECT_TRUE(at::allclose(schedule.add_noise(x, y, t), schedule.add_noise(x, y, 431), 0, 1e-6));
  EXPECT_TRUE(at::allclose(schedule.predict_x0(x, y, t), schedule.predict_x0(x, y, 431), 0, 1e-6));
  EXPECT_TRUE(at::allclose(schedule.predict_epsilon(x, y, t), schedule.predict_epsilon(x, y, 431),
                           0, 1e-6));
}

TEST(NoiseSchedule, HalfPrecisionInputsGiveFloat) {
  const NoiseSchedule schedule;
  const at::Tensor x = at::ones({1, 2}, at::kBFloat16);
  EXPECT_EQ(schedule.add_noise(x, x, at::zeros({1}, at::kLong)).scalar_type(), at::kFloat);
  EXPECT_EQ(schedule.predict_x0(x, x, 10).scalar_type(), at::kFloat);
}

TEST(NoiseSchedule, RefusesOptionsThatCannotWork) {
  const auto with = [](const std::function<void(NoiseScheduleOptions&)>& change) {
    NoiseScheduleOptions options;
    change(options);
    return NoiseSchedule(options);
  };
  EXPECT_THROW(with([](auto& o) { o.beta_schedule = "cosine"; }), ConfigError);
  EXPECT_THROW(with([](auto& o) { o.prediction_type = "velocity"; }), ConfigError);
  EXPECT_THROW(with([](auto& o) { o.beta_end = 1.0; }), ConfigError);
  EXPECT_THROW(with([](auto& o) { o.num_train_timesteps = 0; }), ConfigError);
  EXPECT_THROW(with([](auto& o) {
                 o.prediction_type = "flow_prediction";
                 o.rescale_betas_zero_snr = true;
               }),
               ConfigError);
}

}  // namespace
}  // namespace echopath::diffusion
