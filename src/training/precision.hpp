#pragma once

#include <torch/torch.h>

namespace echopath::training {

/// What a network computes in outside autocast: float32, or float64 where it has been made so, to
/// tell rounding from error.
inline at::ScalarType precision_of(const torch::nn::Module& network) {
  return network.parameters().front().scalar_type();
}

/// Losses are taken in float32, or float64 where the network computes in that.
inline at::Tensor for_loss(const at::Tensor& output) {
  return output.scalar_type() == at::kDouble ? output : output.to(at::kFloat);
}

}  // namespace echopath::training
