#include "nn/matrix_convolution.hpp"

#include "echopath/nn/layers.hpp"
#include "nn/compare.hpp"

namespace echopath::nn {
namespace {

using testing::expect_close;
using testing::random_tensor;

struct Case {
  std::int64_t samples, in, out, height, width, kernel_height, kernel_width;
  std::array<std::int64_t, 2> padding;
};

/// Value and gradients against PyTorch's convolution in float64.
void check(const Case& c) {
  const auto leaf = [](const torch::Tensor& t) {
    return t.contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  };
  const torch::Tensor x = leaf(random_tensor({c.samples, c.in, c.height, c.width}, 1));
  const torch::Tensor weight =
      leaf(random_tensor({c.out, c.in, c.kernel_height, c.kernel_width}, 2));
  const torch::Tensor bias = random_tensor({c.out}, 3).requires_grad_();
  const torch::Tensor y = matrix_convolution(x, weight, bias, c.padding);
  const torch::Tensor direction = random_tensor(y.sizes(), 4);
  (y * direction).sum().backward();

  const torch::Tensor x64 = x.detach().to(torch::kDouble).requires_grad_();
  const torch::Tensor weight64 = weight.detach().to(torch::kDouble).requires_grad_();
  const torch::Tensor bias64 = bias.detach().to(torch::kDouble).requires_grad_();
  const torch::Tensor y64 = at::conv2d(x64, weight64, bias64, 1, c.padding);
  (y64 * direction.to(torch::kDouble)).sum().backward();

  expect_close(y, y64, 2e-6, "output");
  expect_close(x.grad(), x64.grad(), 2e-6, "gradient of x");
  expect_close(weight.grad(), weight64.grad(), 2e-6, "gradient of the kernel");
  expect_close(bias.grad(), bias64.grad(), 2e-6, "gradient of the bias");
  const torch::NoGradGuard no_grad;
  EXPECT_TRUE(at::equal(matrix_convolution(x, weight, bias, c.padding), y.detach()));
}

TEST(MatrixConvolution, EqualsPyTorchsConvolutionAndItsGradients) {
  check({16, 24, 40, 2, 2, 3, 3, {1, 1}});
  check({3, 20, 12, 4, 4, 3, 3, {1, 1}});
  check({2, 5, 7, 3, 5, 3, 3, {1, 1}});  // no side is like another, nor a multiple of a vector
}

TEST(MatrixConvolution, TakesAMapOfOnePositionAndAKernelWithoutPadding) {
  check({5, 6, 9, 1, 1, 3, 3, {1, 1}});
  check({2, 6, 4, 4, 5, 3, 3, {0, 0}});
}

TEST(MatrixConvolution, TakesAKernelOverTimeAlone) {
  check({2, 16, 16, 6, 9, 3, 1, {1, 0}});
}

TEST(MatrixConvolution, GivesAFrozenKernelNoGradient) {
  const torch::Tensor x = random_tensor({2, 4, 2, 2}, 1).requires_grad_();
  const torch::Tensor weight = random_tensor({4, 4, 3, 3}, 2);
  const torch::Tensor bias = random_tensor({4}, 3);
  matrix_convolution(x, weight, bias, {1, 1}).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
}

TEST(MatrixConvolution, IsForSmallFloat32MapsOnTheCpu) {
  const torch::Tensor weight = random_tensor({8, 8, 3, 3}, 1);
  const auto map = [](std::int64_t samples, std::int64_t side) {
    return torch::empty({samples, 8, side, side});
  };
  EXPECT_TRUE(pays_as_matrix_product(map(1000, 2), weight));
  EXPECT_TRUE(pays_as_matrix_product(map(16, 4), weight));
  EXPECT_FALSE(pays_as_matrix_product(map(1000, 4), weight));
  EXPECT_FALSE(pays_as_matrix_product(map(16, 8), weight));
  EXPECT_FALSE(pays_as_matrix_product(map(16, 2).to(torch::kBFloat16), weight));
  const torch::Tensor over_time = random_tensor({8, 8, 3, 1}, 1);
  EXPECT_TRUE(pays_as_matrix_product(torch::empty({1, 8, 64, 16}), over_time));
  EXPECT_FALSE(pays_as_matrix_product(torch::empty({1, 8, 64, 64}), over_time));
}

TEST(MatrixConvolution, IsWhatAConvolutionOfASmallMapIs) {
  Conv2d convolution({6, 10});
  const torch::Tensor x = random_tensor({3, 6, 2, 2}, 5);
  const auto parameters = convolution.named_parameters();
  const torch::Tensor expected =
      at::conv2d(x.to(torch::kDouble), parameters["weight"].to(torch::kDouble),
                 parameters["bias"].to(torch::kDouble), 1, 1);
  expect_close(convolution.forward(x).detach(), expected.detach(), 2e-6, "output");
}

}  // namespace
}  // namespace echopath::nn
