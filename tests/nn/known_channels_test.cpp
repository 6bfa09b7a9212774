#include "echopath/nn/known_channels.hpp"

#include "echopath/nn/condition.hpp"
#include "nn/compare.hpp"

namespace echopath::nn {
namespace {

using testing::expect_close;
using testing::random_tensor;

TEST(Condition, DerivesAnewUnlessItIsLasting) {
  const torch::NoGradGuard no_grad;
  const Linear layer(3, 3);
  const Linear other(3, 3);
  const auto count_calls = [&](const Condition& condition) {
    int calls = 0;
    const auto derive = [&](const Condition& from, const Linear& of) {
      return from.derive(of, [&](const torch::Tensor& value) { return value + ++calls; });
    };
    EXPECT_TRUE(at::equal(derive(condition, layer), torch::ones({3})));
    derive(Condition(condition), layer);  // a copy keeps with the original
    derive(condition, other);
    derive(condition, other);
    return calls;
  };
  EXPECT_EQ(count_calls(torch::zeros({3})), 4);
  EXPECT_EQ(count_calls(Condition::lasting(torch::zeros({3}))), 2);
  EXPECT_FALSE(Condition().defined());
}

TEST(Condition, ALastingOneDoesNotTakePartInTraining) {
  const Linear layer(3, 3);
  const auto same = [](const torch::Tensor& value) { return value; };
  EXPECT_THROW(Condition::lasting(torch::zeros({3})).derive(layer, same), c10::Error);
  EXPECT_TRUE(at::equal(Condition(torch::ones({3})).derive(layer, same), torch::ones({3})));
}

TEST(KnownChannels, ConvolutionOfTheOthersPlusTheirShareIsTheWholeConvolution) {
  const torch::NoGradGuard no_grad;
  for (const std::int64_t known_channels : {1, 4}) {
    Conv2d convolution({8, 32});
    const torch::Tensor known = random_tensor({5, known_channels, 7, 9}, 1);
    const Conv2dOfKnownChannels prepared(convolution, known);
    for (const std::uint64_t seed : {2, 3}) {  // the share outlives a pass
      const torch::Tensor x = random_tensor({5, 8 - known_channels, 7, 9}, seed);
      expect_close(prepared.forward(x), convolution.forward(torch::cat({x, known}, 1)), 1e-6,
                   std::to_string(known_channels) + " known channels");
    }
  }
}

TEST(KnownChannels, SomeChannelMustBeUnknown) {
  const Conv2d convolution({4, 8});
  EXPECT_THROW(Conv2dOfKnownChannels(convolution, torch::zeros({1, 4, 3, 3})), c10::Error);
}

}  // namespace
}  // namespace echopath::nn
