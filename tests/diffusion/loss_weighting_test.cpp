#include "echopath/diffusion/loss_weighting.hpp"

#include <gmock/gmock.h>

#include "echopath/core/errors.hpp"

namespace echopath::diffusion {
namespace {

using ::testing::HasSubstr;

NoiseSchedule schedule_of(const std::string& prediction_type, bool zero_snr = false) {
  NoiseScheduleOptions options;
  options.prediction_type = prediction_type;
  options.rescale_betas_zero_snr = zero_snr;
  return NoiseSchedule(options);
}

double weight(const NoiseSchedule& schedule, std::int64_t t, double gamma = 5.0) {
  return min_snr_weights(schedule, at::tensor({t}, at::kLong), gamma)[0].item<double>();
}

/// SNR of the published schedule, from its definition (in float64; the schedule is float32).
double signal_noise_ratio(std::int64_t t) {
  const at::Tensor betas = at::linspace(1e-4, 0.02, 1000, at::kDouble);
  const double kept = (1.0 - betas.slice(0, 0, t + 1)).prod().item<double>();
  return kept / (1.0 - kept);
}

TEST(MinSnrWeights, FollowThePapersFormulaForEachPredictionType) {
  for (const std::int64_t t : {20, 50, 200, 400, 999}) {
    const double snr = signal_noise_ratio(t);
    const double clipped = std::min(snr, 5.0);
    EXPECT_NEAR(weight(schedule_of("sample"), t), clipped, 1e-4 * clipped) << t;
    EXPECT_NEAR(weight(schedule_of("epsilon"), t), clipped / snr, 1e-4 * clipped / snr) << t;
    EXPECT_NEAR(weight(schedule_of("v_prediction"), t), clipped / (snr + 1.0),
                1e-4 * clipped / (snr + 1.0))
        << t;
  }
  EXPECT_GT(signal_noise_ratio(50), 5.0) << "gamma acts at some of them";
  EXPECT_LT(signal_noise_ratio(400), 5.0) << "and not at others";
}

TEST(MinSnrWeights, WeighTheErrorOfTheCleanSampleAlikeWhateverIsPredicted) {
  // An error e of x_0 is an error e·√SNR of ε and e·√(SNR + 1) of v.
  for (const std::int64_t t : {10, 300, 700}) {
    const double snr = signal_noise_ratio(t);
    const double of_x0 = weight(schedule_of("sample"), t);
    EXPECT_NEAR(weight(schedule_of("epsilon"), t) * snr, of_x0, 1e-4 * of_x0) << t;
    EXPECT_NEAR(weight(schedule_of("v_prediction"), t) * (snr + 1.0), of_x0, 1e-4 * of_x0) << t;
  }
}

TEST(MinSnrWeights, AreFiniteWhereNoSignalIsLeft) {
  EXPECT_EQ(weight(schedule_of("epsilon", true), 999), 1.0);
  EXPECT_EQ(weight(schedule_of("v_prediction", true), 999), 0.0);
  EXPECT_EQ(weight(schedule_of("sample", true), 999), 0.0);
}

TEST(MinSnrWeights, AreRefusedForAFlow) {
  try {
    weight(schedule_of("flow_prediction"), 500);
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("flow_prediction"));
  }
}

}  // namespace
}  // namespace echopath::diffusion
