#include "phantom/cycle.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace echopath::phantom {
namespace {

HeartParameters steady(double rate) {
  HeartParameters heart;
  heart.heart_rate_bpm = rate;
  heart.beat_variation = 0.0;
  heart.breathing_amplitude = 0.0;
  return heart;
}

TEST(PhantomCycle, ContractsFullyAtEndSystoleAndIsAtRestAtEndDiastole) {
  for (double rate : {50.0, 72.0, 110.0}) {
    const Cycle cycle(steady(rate), 1);
    EXPECT_NEAR(cycle.period(), 60.0 / rate, 1e-12);
    EXPECT_NEAR(cycle.at(cycle.end_systole()).amplitude[kLvRadial], 1.0, 1e-6);
    EXPECT_NEAR(cycle.at(0.0).amplitude[kLvRadial], 0.0, 1e-6);
    EXPECT_NEAR(cycle.at(cycle.period() - 1e-6).amplitude[kLvRadial], 0.0, 1e-3);
  }
}

TEST(PhantomCycle, SystoleShortensLessThanTheBeat) {
  const Cycle slow(steady(50.0), 1), fast(steady(100.0), 1);
  EXPECT_LT(fast.end_systole(), slow.end_systole());
  EXPECT_GT(fast.end_systole() / fast.period(), slow.end_systole() / slow.period());
}

TEST(PhantomCycle, HasEarlyFillingDiastasisAndAtrialKick) {
  const Cycle cycle(steady(60.0), 1);
  auto fill = [&cycle](double from, double to) {
    return (cycle.at(from).amplitude[kLvRadial] - cycle.at(to).amplitude[kLvRadial]) / (to - from);
  };
  const double early = fill(cycle.end_systole() + 0.08, cycle.end_systole() + 0.22);
  const double diastasis = fill(cycle.end_systole() + 0.28, cycle.period() - 0.15);
  const double kick = fill(cycle.period() - 0.11, cycle.period() - 0.02);
  EXPECT_GT(early, 5.0 * diastasis);
  EXPECT_GT(kick, 5.0 * diastasis);
  EXPECT_GT(diastasis, 0.0);
}

TEST(PhantomCycle, ValvesAreClosedInSystoleAndOpenTwiceInDiastole) {
  const Cycle cycle(steady(60.0), 1);
  for (double t = 0.0; t < cycle.end_systole(); t += 0.02) {
    EXPECT_EQ(cycle.at(t).mitral_opening, 0.0) << t;
    EXPECT_EQ(cycle.at(t).tricuspid_opening, 0.0) << t;
  }
  const double early = cycle.at(cycle.end_systole() + 0.19).mitral_opening;
  const double between = cycle.at(cycle.end_systole() + 0.38).mitral_opening;
  const double kick = cycle.at(cycle.period() - 0.07).mitral_opening;
  EXPECT_GT(early, 0.9);
  EXPECT_LT(between, 0.5);
  EXPECT_GT(kick, 0.65);
}

TEST(PhantomCycle, MovesWithoutJumps) {
  HeartParameters heart = steady(90.0);
  heart.beat_variation = 0.05;
  heart.breathing_amplitude = 1.5;
  heart.septal_shift_diastole = 5.0;
  heart.septal_shift_systole = -1.0;
  const Cycle cycle(heart, 3);
  for (double t = 0.0; t < 4.0; t += 0.002) {
    const CycleState a = cycle.at(t), b = cycle.at(t + 0.002);
    EXPECT_LT(std::abs(a.amplitude[kLvRadial] - b.amplitude[kLvRadial]), 0.05F) << t;
    EXPECT_LT(std::abs(a.amplitude[kSeptum] - b.amplitude[kSeptum]), 0.3F) << t;
    EXPECT_LT(std::abs(a.mitral_opening - b.mitral_opening), 0.12) << t;
    EXPECT_LT(std::abs(a.breathing_y - b.breathing_y), 0.02) << t;
  }
}

TEST(PhantomCycle, BeatsVaryALittle) {
  HeartParameters heart = steady(75.0);
  heart.beat_variation = 0.04;
  const Cycle cycle(heart, 5);
  const float first = cycle.at(cycle.end_systole()).amplitude[kLvRadial];
  const float second = cycle.at(cycle.period() + cycle.end_systole()).amplitude[kLvRadial];
  EXPECT_NE(first, second);
  EXPECT_NEAR(first, second, 0.08);
}

}  // namespace
}  // namespace echopath::phantom
