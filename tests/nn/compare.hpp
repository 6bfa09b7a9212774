#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>

namespace echopath::nn::testing {

/// max|actual − expected| ≤ tolerance · max|expected|.
inline void expect_close(const torch::Tensor& actual, const torch::Tensor& expected,
                         double tolerance, const std::string& what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  const double largest = expected.to(torch::kDouble).abs().max().item<double>();
  const double error =
      (actual.to(torch::kDouble) - expected.to(torch::kDouble)).abs().max().item<double>();
  EXPECT_LE(error, tolerance * largest) << what << ": relative error " << error / largest;
}

inline torch::Tensor random_tensor(at::IntArrayRef shape, std::uint64_t seed) {
  return torch::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed));
}

}  // namespace echopath::nn::testing
