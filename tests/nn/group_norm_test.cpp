#include <ATen/CPUGeneratorImpl.h>

#include "echopath/nn/layers.hpp"
#include "nn/compare.hpp"

namespace echopath::nn {
namespace {

using testing::expect_close;
using testing::random_tensor;

struct Case {
  std::int64_t samples, channels, height, width, groups;
  bool silu, shifted;
  double offset;  ///< added to the input: a large mean tests cancellation
};

/// A GroupNorm with weights that are neither 0 nor 1.
std::shared_ptr<GroupNorm> make_norm(const Case& c) {
  auto norm = std::make_shared<GroupNorm>(c.groups, c.channels, 1e-5);
  const torch::NoGradGuard no_grad;
  norm->parameters()[0].copy_(1.0 + 0.3 * random_tensor({c.channels}, 1));
  norm->parameters()[1].copy_(0.3 * random_tensor({c.channels}, 2));
  return norm;
}

/// The definition in float64: PyTorch's own group_norm and silu.
torch::Tensor reference(const Case& c, const torch::Tensor& x, const torch::Tensor& shift,
                        const std::vector<torch::Tensor>& parameters) {
  const torch::Tensor moved = c.shifted ? x + shift.unsqueeze(-1).unsqueeze(-1) : x;
  const torch::Tensor normed = at::group_norm(moved, c.groups, parameters[0], parameters[1], 1e-5);
  return c.silu ? at::silu(normed) : normed;
}

void check(const Case& c, at::ScalarType dtype, double tolerance) {
  const auto norm = make_norm(c);
  torch::Tensor x = random_tensor({c.samples, c.channels, c.height, c.width}, 3) + c.offset;
  x = x.to(dtype).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  const torch::Tensor shift = random_tensor({c.samples, c.channels}, 4).requires_grad_();
  const torch::Tensor y =
      c.silu ? norm->forward_silu(x, c.shifted ? shift : torch::Tensor()) : norm->forward(x);
  EXPECT_EQ(y.scalar_type(), dtype);
  const torch::Tensor direction = random_tensor(y.sizes(), 5);
  (y.to(torch::kFloat) * direction).sum().backward();

  const torch::Tensor x64 = x.detach().to(torch::kDouble).requires_grad_();
  const torch::Tensor shift64 = shift.detach().to(torch::kDouble).requires_grad_();
  std::vector<torch::Tensor> parameters64;
  for (const torch::Tensor& p : norm->parameters()) {
    parameters64.push_back(p.detach().to(torch::kDouble).requires_grad_());
  }
  const torch::Tensor y64 = reference(c, x64, shift64, parameters64);
  (y64 * direction.to(torch::kDouble)).sum().backward();

  expect_close(y, y64, tolerance, "output");
  expect_close(x.grad(), x64.grad(), tolerance, "gradient of x");
  expect_close(norm->parameters()[0].grad(), parameters64[0].grad(), tolerance,
               "gradient of weight");
  expect_close(norm->parameters()[1].grad(), parameters64[1].grad(), tolerance, "gradient of bias");
  if (c.shifted) {
    // The gradient of a shift nearly cancels within its group; measure it against its parts.
    const double scale = x64.grad().abs().sum({2, 3}).max().item<double>();
    const double error =
        (shift.grad().to(torch::kDouble) - shift64.grad()).abs().max().item<double>();
    EXPECT_LE(error, tolerance * scale);
  }
}

TEST(GroupNormKernel, EqualsPyTorchInFloat64) {
  check({2, 64, 8, 8, 32, false, false, 0.0}, torch::kFloat, 3e-6);
  check({3, 32, 5, 7, 8, true, false, 0.0}, torch::kFloat, 3e-6);
}

TEST(GroupNormKernel, AddsTheShiftBeforeTheMoments) {
  check({2, 48, 6, 6, 12, true, true, 0.0}, torch::kFloat, 3e-6);
}

TEST(GroupNormKernel, OneSampleOfManyRowsGoesThroughSeveralChunks) {
  check({1, 32, 40, 50, 32, true, true, 0.0}, torch::kFloat, 3e-6);
}

TEST(GroupNormKernel, ALargeMeanDoesNotCancel) {
  check({2, 16, 16, 16, 4, false, false, 1000.0}, torch::kFloat, 2e-4);
}

TEST(GroupNormKernel, AGroupOfOneValueIsExactlyTheBias) {
  const Case c{2, 16, 1, 1, 16, false, true, 0.0};
  const auto norm = make_norm(c);
  const torch::Tensor x =
      (10.0 * random_tensor({2, 16, 1, 1}, 8)).contiguous(at::MemoryFormat::ChannelsLast);
  const torch::Tensor bias = norm->parameters()[1];
  EXPECT_TRUE(at::equal(norm->forward(x).flatten(1), bias.expand({2, 16})));
  EXPECT_TRUE(at::equal(norm->forward_silu(x, random_tensor({2, 16}, 9)).flatten(1),
                        norm->forward_silu(x).flatten(1)));
}

TEST(GroupNormKernel, BFloat16KeepsItsOwnPrecision) {
  check({2, 64, 8, 8, 16, true, true, 0.0}, torch::kBFloat16, 1.2e-2);
}

TEST(GroupNormKernel, ResultDoesNotDependOnThreads) {
  const auto norm = make_norm({1, 32, 64, 64, 8, true, false, 0.0});
  const torch::Tensor x =
      random_tensor({1, 32, 64, 64}, 6).contiguous(at::MemoryFormat::ChannelsLast);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const torch::Tensor one = norm->forward_silu(x);
  at::set_num_threads(2);
  const torch::Tensor two = norm->forward_silu(x);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one, two));
}

TEST(GroupNormKernel, NotANumberInputGivesNotANumber) {
  const auto norm = make_norm({1, 8, 4, 4, 2, true, false, 0.0});
  torch::Tensor x = random_tensor({1, 8, 4, 4}, 7).contiguous(at::MemoryFormat::ChannelsLast);
  x[0][1][2][3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(norm->forward_silu(x).isnan()[0][0][0][0].item<bool>());
}

}  // namespace
}  // namespace echopath::nn
