#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace echopath::nn {

/// (SiLU of) the group normalisation of x + shift, with an affine map per channel.
struct GroupNormProblem {
  torch::Tensor x;       ///< [N, C, H, W], channels-last in memory, float32 or bfloat16, on the CPU
  torch::Tensor shift;   ///< [N, C] float32, or undefined
  torch::Tensor weight;  ///< [C] float32
  torch::Tensor bias;    ///< [C] float32
  std::int64_t groups = 32;
  double eps = 1e-5;
  bool silu = false;
};

/// What the forward pass hands to the backward pass, float64.
struct GroupNormMoments {
  torch::Tensor mean;          ///< of x + shift over a group, [N, G]
  torch::Tensor rstd;          ///< 1/√(variance + eps), [N, G]
  torch::Tensor channel_mean;  ///< of x, [N, C]
};

/// One pass over x for the moments and one for the result.
torch::Tensor group_norm_forward(const GroupNormProblem& problem, GroupNormMoments& moments);

struct GroupNormGradients {
  torch::Tensor x;       ///< like x
  torch::Tensor shift;   ///< [N, C] float32
  torch::Tensor weight;  ///< [C] float32
  torch::Tensor bias;    ///< [C] float32
};

/// `dy` is like x in shape, dtype and memory.
GroupNormGradients group_norm_backward(const GroupNormProblem& problem,
                                       const GroupNormMoments& moments, const torch::Tensor& dy);

}  // namespace echopath::nn
