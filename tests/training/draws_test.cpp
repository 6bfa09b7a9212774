#include <gtest/gtest.h>

#include <numeric>

#include "training/objective.hpp"

namespace echopath::training {
namespace {

at::Tensor drawn_timesteps(const std::string& prediction_type) {
  ObjectiveOptions options;
  options.schedule.num_train_timesteps = 4;
  options.schedule.prediction_type = prediction_type;
  MicroBatch batch{7, std::vector<std::int64_t>(200)};
  std::iota(batch.positions.begin(), batch.positions.end(), 0);
  return ObjectiveDraws(options, {}, 3).timesteps(batch);
}

// Timestep 0 of a flow is clean data, timestep N is pure noise, where sampling starts.
TEST(ObjectiveDraws, CoverTheTimestepsOfTheSchedule) {
  const at::Tensor of_betas = drawn_timesteps("v_prediction");
  EXPECT_EQ(of_betas.min().item<std::int64_t>(), 0);
  EXPECT_EQ(of_betas.max().item<std::int64_t>(), 3);
  EXPECT_TRUE(at::equal(drawn_timesteps("flow_prediction"), of_betas + 1));
}

}  // namespace
}  // namespace echopath::training
