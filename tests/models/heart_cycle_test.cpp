#include "echopath/models/heart_cycle.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "echopath/core/errors.hpp"

namespace echopath::models {
namespace {

using ::testing::HasSubstr;

constexpr double kFps = 32.0;

TEST(HeartPhase, TurnsOnceABeat) {
  const at::Tensor phase = heart_phase(HeartCycle{80.0, 0.0}, kFps, 49, 3, 2);  // 24 frames a beat
  ASSERT_EQ(phase.sizes(), at::IntArrayRef({49, 2, 3, 2}));
  for (const std::int64_t t : {0, 24, 48}) {
    EXPECT_NEAR(phase[t][0][2][1].item<double>(), 1.0, 1e-6) << t;
    EXPECT_NEAR(phase[t][1][2][1].item<double>(), 0.0, 1e-6) << t;
  }
  EXPECT_NEAR(phase[6][0][0][0].item<double>(), 0.0, 1e-6);
  EXPECT_NEAR(phase[6][1][0][0].item<double>(), 1.0, 1e-6);
  EXPECT_NEAR(phase[2][1][1][1].item<double>(), 0.5, 1e-6);  // 30 degrees
}

TEST(HeartPhase, StartsWhereTheCycleDoes) {
  const HeartCycle cycle{80.0, 0.75};
  const at::Tensor phase = heart_phase(cycle, kFps, 30, 1, 1);
  EXPECT_NEAR(phase[0][1].item<double>(), -1.0, 1e-6);
  EXPECT_NEAR(phase[6][0].item<double>(), 1.0, 1e-6);
  const HeartCycle later = cycle.after(10.0 / kFps);
  EXPECT_NEAR(later.start, 0.75 + 10.0 / 24.0 - 1.0, 1e-12);
  EXPECT_TRUE(at::allclose(heart_phase(later, kFps, 20, 1, 1), phase.slice(0, 10), 0.0, 1e-6));
}

TEST(HeartPhase, IsZeroWhereTheCycleIsUnknown) {
  EXPECT_TRUE(at::equal(heart_phase(std::nullopt, kFps, 5, 3, 2), at::zeros({5, 2, 3, 2})));
}

TEST(HeartRates, AreDrawnByClassBetweenTheirPercentiles) {
  std::vector<double> rates;
  for (int i = 0; i <= 100; ++i) rates.push_back(60.0 + 0.2 * i);
  const HeartRates heart_rates = HeartRates::of({{"ASD", rates}, {"PAH", {}}});
  const HeartRates read = HeartRates::from_json(heart_rates.to_json(), "echopath.json");
  for (const HeartRates& each : {heart_rates, read}) {
    EXPECT_DOUBLE_EQ(each.at("ASD", 0.0).value(), 61.0);
    EXPECT_DOUBLE_EQ(each.at("ASD", 0.3).value(), 66.4);
    EXPECT_DOUBLE_EQ(each.at("ASD", 1.0).value(), 79.0);
    EXPECT_FALSE(each.at("PAH", 0.5));
    EXPECT_FALSE(each.at("Non-PAH", 0.5));
  }
}

TEST(HeartRates, RefuseWhatIsNoListOfPercentiles) {
  for (const char* text : {"3", "[]", R"({"ASD": 70})", R"({"ASD": [60, 70]})",
                           R"({"ASD": [9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 1]})",
                           R"({"ASD": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]})",
                           R"({"ASD": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, "x"]})"}) {
    try {
      HeartRates::from_json(config::Json::parse(text), "m/echopath.json");
      ADD_FAILURE() << text;
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr("m/echopath.json: heart_rates")) << text;
    }
  }
}

}  // namespace
}  // namespace echopath::models
