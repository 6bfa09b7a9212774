#include "training/step_guard.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "training/loss_scaler.hpp"

namespace echopath::training {
namespace {

TEST(StepGuard, ASpikeIsALossFarAboveTheMedian) {
  StepGuard guard(3.0);
  for (int i = 0; i < 19; ++i) guard.book(Verdict::kGood, 1.0 + 0.01 * i);
  EXPECT_FALSE(guard.is_spike(100.0)) << "too few losses to compare with";
  guard.book(Verdict::kGood, 1.19);
  EXPECT_DOUBLE_EQ(guard.median(), 1.1);
  EXPECT_FALSE(guard.is_spike(3.29));
  EXPECT_TRUE(guard.is_spike(3.31));
  EXPECT_FALSE(StepGuard(0.0).is_spike(1e30));
}

TEST(StepGuard, ALossThatStaysOnANewLevelIsAcceptedAfterHalfAWindow) {
  StepGuard guard(3.0);
  for (std::size_t i = 0; i < StepGuard::kWindow; ++i) guard.book(Verdict::kGood, 1.0);
  int skipped = 0;
  while (guard.is_spike(10.0)) {
    guard.book(Verdict::kSpike, 10.0);
    ++skipped;
  }
  EXPECT_EQ(skipped, 50);
  EXPECT_EQ(guard.spikes(), 50);
}

TEST(StepGuard, CountsWhatIsNotFiniteInARowAndInAll) {
  StepGuard guard(2.0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  guard.book(Verdict::kNotFinite, nan);
  guard.book(Verdict::kNotFinite, nan);
  guard.book(Verdict::kOverflow, 1.0);
  EXPECT_EQ(guard.not_finite_in_a_row(), 2) << "an overflow says nothing about it";
  guard.book(Verdict::kGood, 1.0);
  EXPECT_EQ(guard.not_finite_in_a_row(), 0);
  guard.book(Verdict::kNotFinite, nan);
  EXPECT_EQ(guard.not_finite_in_a_row(), 1);
  EXPECT_EQ(guard.not_finite(), 3);
  EXPECT_EQ(guard.skipped(), 4);

  StepGuard other(2.0);
  other.load_state(config::Json::parse(guard.state().dump()));
  EXPECT_EQ(other.state(), guard.state());
  EXPECT_EQ(other.skipped(), 4);
}

// The numbers are those of torch.amp.GradScaler's defaults.
TEST(LossScaler, HalvesOnOverflowAndDoublesAfterTwoThousandGoodSteps) {
  LossScaler scaler(true);
  EXPECT_EQ(scaler.scale(), 65536.0);
  scaler.update(true);
  EXPECT_EQ(scaler.scale(), 32768.0);
  for (int i = 0; i < 1999; ++i) scaler.update(false);
  EXPECT_EQ(scaler.scale(), 32768.0);
  LossScaler resumed(true);
  resumed.load_state(config::Json::parse(scaler.state().dump()));
  for (LossScaler* each : {&scaler, &resumed}) {
    each->update(false);
    EXPECT_EQ(each->scale(), 65536.0);
  }
  for (int i = 0; i < 1999; ++i) scaler.update(false);
  scaler.update(true);
  for (int i = 0; i < 1999; ++i) scaler.update(false);
  EXPECT_EQ(scaler.scale(), 32768.0) << "an overflow starts the count again";
  EXPECT_FALSE(scaler.exhausted());
  for (int i = 0; i < 15; ++i) scaler.update(true);
  EXPECT_TRUE(scaler.exhausted());
}

TEST(LossScaler, UnscalesInPlaceAndFindsWhatIsNotFinite) {
  LossScaler scaler(true);
  const at::Tensor a = at::full({3}, 65536.0), b = at::full({2}, 32768.0, at::kDouble);
  EXPECT_FALSE(scaler.unscale({a, b}));
  EXPECT_TRUE(at::equal(a, at::ones({3})));
  EXPECT_TRUE(at::equal(b, at::full({2}, 0.5, at::kDouble)));
  a[1] = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(scaler.unscale({a, b}));

  LossScaler off(false);
  off.update(true);
  EXPECT_EQ(off.scale(), 1.0);
  EXPECT_FALSE(off.unscale({a}));
}

}  // namespace
}  // namespace echopath::training
