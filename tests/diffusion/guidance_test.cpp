#include "echopath/diffusion/guidance.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace echopath::diffusion {
namespace {

TEST(Guidance, MovesFromUnconditionalThroughConditional) {
  const at::Tensor u = at::tensor({1.0F, 2.0F});
  const at::Tensor c = at::tensor({2.0F, 0.0F});
  EXPECT_TRUE(at::equal(combine_guidance(u, c, 5.0), at::tensor({6.0F, -8.0F})));
  EXPECT_TRUE(at::equal(combine_guidance(u, c, 1.0), c));
  EXPECT_TRUE(at::equal(combine_guidance(u, c, 0.0), u));
}

TEST(Guidance, EvaluatesOnlyTheBranchesItNeeds) {
  std::vector<bool> calls;
  const auto predict = [&](bool conditional) {
    calls.push_back(conditional);
    return at::full({1}, conditional ? 2.0 : 1.0);
  };
  EXPECT_EQ(guided_prediction(predict, 1.0).item<float>(), 2.0F);
  EXPECT_EQ(calls, std::vector<bool>({true}));
  calls.clear();
  EXPECT_EQ(guided_prediction(predict, 0.0).item<float>(), 1.0F);
  EXPECT_EQ(calls, std::vector<bool>({false}));
  calls.clear();
  EXPECT_EQ(guided_prediction(predict, 3.0).item<float>(), 4.0F);
  EXPECT_EQ(calls.size(), 2U);
}

}  // namespace
}  // namespace echopath::diffusion
