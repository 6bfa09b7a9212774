#include "echopath/nn/dropout.hpp"

#include <gtest/gtest.h>

#include "echopath/nn/checkpointing.hpp"
#include "nn/compare.hpp"

namespace echopath::nn {
namespace {

using testing::random_tensor;

constexpr double kProbability = 0.25;

/// Two layers of dropout on the same rows, under the seeds of these items.
std::vector<at::Tensor> two_layers(const std::vector<std::uint64_t>& seeds, const at::Tensor& x) {
  const DropoutScope scope(seeds);
  at::Tensor first = item_dropout(x, kProbability, true);
  at::Tensor second = item_dropout(x, kProbability, true);
  return {first, second};
}

TEST(Dropout, DropsTheShareThatItIsToldAndScalesTheRest) {
  const at::Tensor y = two_layers({1, 2}, at::ones({2, 3, 100, 100}))[0];
  const at::Tensor kept = y != 0;
  EXPECT_NEAR(kept.to(at::kDouble).mean().item<double>(), 1 - kProbability, 0.01);
  EXPECT_TRUE(at::allclose(y.masked_select(kept), at::full({1}, 1 / (1 - kProbability))));
}

TEST(Dropout, AnItemsMaskDependsNeitherOnItsNeighboursNorOnTheirNumber) {
  const at::Tensor x = at::ones({4, 3, 5, 7});
  const std::vector<at::Tensor> all = two_layers({11, 12, 13, 14}, x);
  const std::vector<at::Tensor> last = two_layers({13, 14}, x.slice(0, 2));
  for (std::size_t layer = 0; layer < 2; ++layer) {
    EXPECT_TRUE(at::equal(all[layer].slice(0, 2), last[layer]));
    EXPECT_FALSE(at::equal(all[layer][2], all[layer][3]));
  }
  EXPECT_FALSE(at::equal(all[0], all[1]));
  // Frames of an item are adjacent rows, and memory may be channels-last.
  const at::Tensor frames = at::ones({4, 3, 5, 7}).contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(at::equal(two_layers({13, 14}, frames)[0].slice(0, 0, 2),
                        two_layers({13}, frames.slice(0, 0, 2))[0]));
}

TEST(Dropout, LeavesAllInEvaluationAndNothingAtOne) {
  const at::Tensor x = random_tensor({2, 8}, 1);
  const DropoutScope scope({1, 2});
  EXPECT_TRUE(item_dropout(x, kProbability, false).is_same(x));
  EXPECT_TRUE(item_dropout(x, 0.0, true).is_same(x));
  EXPECT_EQ(DropoutScope::current().layer, 0U) << "neither has drawn";
  EXPECT_EQ(item_dropout(x, 1.0, true).abs().sum().item<double>(), 0.0);
}

TEST(Dropout, WithoutSeedsItIsLibTorchs) {
  const at::Tensor x = random_tensor({2, 8}, 1);
  torch::manual_seed(5);
  const at::Tensor own = item_dropout(x, kProbability, true);
  torch::manual_seed(5);
  EXPECT_TRUE(at::equal(own, at::dropout(x, kProbability, true)));
}

TEST(Dropout, ACheckpointedSegmentDropsTheSameAgain) {
  const auto gradient = [](bool checkpointed) {
    const DropoutScope scope({7, 8});
    const at::Tensor x = random_tensor({2, 50}, 2).requires_grad_();
    const Segment segment = [](const std::vector<at::Tensor>& in) {
      return item_dropout(item_dropout(in[0].square(), kProbability, true).square(), kProbability,
                          true);
    };
    const at::Tensor before = item_dropout(x, kProbability, true);
    const at::Tensor middle = checkpointed ? checkpoint(segment, {before}, {}) : segment({before});
    item_dropout(middle, kProbability, true).sum().backward();
    EXPECT_EQ(DropoutScope::current().layer, 4U);
    return x.grad();
  };
  EXPECT_TRUE(at::equal(gradient(true), gradient(false)));
}

}  // namespace
}  // namespace echopath::nn
