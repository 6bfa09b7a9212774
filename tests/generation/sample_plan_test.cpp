#include "generation/sample_plan.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/models/heart_cycle.hpp"

namespace echopath::generation {
namespace {

TEST(SamplePlan, SeedsCountOnToTheLargestAndNotBeyond) {
  models::ModelInfo info;
  info.class_names = {"ASD"};
  SampleOptions options;
  options.classes = {"ASD"};
  options.seed = std::numeric_limits<std::int64_t>::max() - 1;
  options.count = 2;
  EXPECT_EQ(plan_videos(options, info).at(1).seed, 9223372036854775807U);
  options.count = 3;
  try {
    plan_videos(options, info);
    FAIL() << "a seed beyond the largest was planned";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("take 0 to 9223372036854775805"), std::string::npos);
  }
}

models::ModelInfo info_with_heart_rates() {
  models::ModelInfo info;
  info.class_names = {"ASD", "PAH"};
  info.trained_on["lvdm"]["heart_rates"] =
      models::HeartRates::of({{"ASD", {60.0, 80.0}}, {"PAH", {90.0, 100.0}}}).to_json();
  return info;
}

TEST(SamplePlan, HeartRatesAreDrawnFromThoseOfTheClassByTheVideosSeed) {
  SampleOptions options;
  options.classes = {"ASD", "PAH"};
  options.count = 20;
  const std::vector<VideoPlan> plans = plan_videos(options, info_with_heart_rates());
  std::set<double> drawn;
  for (const VideoPlan& plan : plans) {
    const double lowest = plan.class_name == "ASD" ? 60.0 : 90.0;
    const double highest = plan.class_name == "ASD" ? 80.0 : 100.0;
    EXPECT_GE(plan.cycle.value().beats_per_minute, lowest);
    EXPECT_LE(plan.cycle.value().beats_per_minute, highest);
    drawn.insert(plan.cycle->beats_per_minute);
  }
  EXPECT_EQ(drawn.size(), plans.size());
  options.count = 2;
  options.seed = 2;  // the second pair of the videos above
  EXPECT_EQ(plan_videos(options, info_with_heart_rates()).at(0).cycle->beats_per_minute,
            plans[2].cycle->beats_per_minute);
}

TEST(SamplePlan, AHeartRateThatIsGivenHoldsForEveryVideo) {
  SampleOptions options;
  options.classes = {"ASD", "PAH"};
  options.heart_rate = 72.0;
  for (const VideoPlan& plan : plan_videos(options, info_with_heart_rates())) {
    EXPECT_EQ(plan.cycle.value().beats_per_minute, 72.0);
    EXPECT_EQ(plan.cycle->start, 0.0);
  }
  options.heart_phase = 0.4;
  options.heart = "heart.png";
  EXPECT_EQ(plan_videos(options, info_with_heart_rates()).at(0).cycle->start, 0.4);
}

TEST(SamplePlan, AModelThatDoesNotKnowTheHeartRateIsToldNone) {
  models::ModelInfo info;
  info.class_names = {"ASD"};
  SampleOptions options;
  options.classes = {"ASD"};
  EXPECT_FALSE(plan_videos(options, info).at(0).cycle);
  options.heart_rate = 72.0;
  EXPECT_THROW(plan_videos(options, info), UsageError);
}

}  // namespace
}  // namespace echopath::generation
