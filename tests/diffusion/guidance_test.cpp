#include "echopath/diffusion/guidance.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace echopath::diffusion {
namespace {

/// A network whose answers are C = 4, F (no class) = 2, U (neither) = 1, and what it was asked.
struct Network {
  std::string calls;

  double answer(const GuidanceOptions& options, double noise_level = 0.5) {
    calls.clear();
    const auto predict = [&](Conditions given) {
      calls += given.label ? 'C' : given.frame ? 'F' : 'U';
      return at::full({1, 2}, given.label ? 4.0 : given.frame ? 2.0 : 1.0, at::kDouble);
    };
    return guided_prediction(predict, options, noise_level)[0][0].item<double>();
  }
};

TEST(Guidance, MovesFromUnconditionalThroughConditional) {
  Network network;
  EXPECT_EQ(network.answer({.scale = 5.0}), 12.0);  // 2 + 5·(4 − 2)
  EXPECT_EQ(network.calls, "CF");
  EXPECT_EQ(network.answer({.scale = 0.5}), 3.0);
}

TEST(Guidance, OneAndZeroCostOneEvaluation) {
  Network network;
  EXPECT_EQ(network.answer({.scale = 1.0}), 4.0);
  EXPECT_EQ(network.calls, "C");
  EXPECT_EQ(network.answer({.scale = 0.0}), 2.0);
  EXPECT_EQ(network.calls, "F");
}

TEST(Guidance, FrameHasAScaleOfItsOwn) {
  Network network;
  EXPECT_EQ(network.answer({.scale = 5.0, .frame_scale = 3.0}), 14.0);  // 1 + 3·1 + 5·2
  EXPECT_EQ(network.calls, "CUF");
  EXPECT_EQ(network.answer({.scale = 3.0, .frame_scale = 3.0}), 10.0);  // 1 + 3·(4 − 1)
  EXPECT_EQ(network.calls, "CU");
  EXPECT_EQ(network.answer({.scale = 0.0, .frame_scale = 3.0}), 4.0);  // 1 + 3·1
  EXPECT_EQ(network.calls, "UF");
  EXPECT_EQ(network.answer({.scale = 0.0, .frame_scale = 0.0}), 1.0);
  EXPECT_EQ(network.calls, "U");
}

TEST(Guidance, ActsInsideItsIntervalOnly) {
  Network network;
  const GuidanceOptions options{.scale = 5.0, .interval_start = 0.2, .interval_end = 0.8};
  EXPECT_EQ(network.answer(options, 0.9), 4.0);
  EXPECT_EQ(network.calls, "C");
  EXPECT_EQ(network.answer(options, 0.1), 4.0);
  EXPECT_EQ(network.answer(options, 0.2), 12.0);
  EXPECT_EQ(network.answer(options, 0.8), 12.0);
}

// c = (1, −1) and u = 0, so guidance with w = 3 makes the deviation of each sample three times the
// conditional one's: φ = 1 undoes that, φ = 1/2 goes half the way. The second sample is ten times
// as large, which a deviation over the whole batch would mix up.
TEST(Guidance, RescaleGivesEachSampleTheConditionalDeviation) {
  const at::Tensor conditional = at::tensor({1.0, -1.0, 10.0, -10.0}, at::kDouble).view({2, 2});
  const auto predict = [&](Conditions given) {
    return given.label ? conditional : at::zeros_like(conditional);
  };
  const auto guided = [&](double rescale) {
    return guided_prediction(predict, {.scale = 3.0, .rescale = rescale}, 0.5);
  };
  EXPECT_TRUE(at::allclose(guided(0.0), 3 * conditional));
  EXPECT_TRUE(at::allclose(guided(1.0), conditional));
  EXPECT_TRUE(at::allclose(guided(0.5), 2 * conditional));
}

}  // namespace
}  // namespace echopath::diffusion
