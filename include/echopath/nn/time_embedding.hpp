#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>

#include "echopath/nn/layers.hpp"

namespace echopath::nn {

struct SinusoidOptions {
  std::int64_t dim = 0;
  bool flip_sin_to_cos = true;  ///< cosines first
  std::int64_t freq_shift = 0;
};

/// Sinusoidal embedding of positions [N] (integer or float) to [N, dim], float32 (Vaswani et al.,
/// 2017): frequencies exp(−ln 10⁴ · i/(dim/2 − freq_shift)). An odd dim ends in a zero column.
torch::Tensor sinusoidal_embedding(const torch::Tensor& positions, const SinusoidOptions& options);

/// Linear → SiLU → Linear, keys `linear_1`, `linear_2`.
class TimestepEmbedding : public torch::nn::Module {
 public:
  /// `out_dim` 0 stands for `hidden_dim`.
  TimestepEmbedding(std::int64_t in_dim, std::int64_t hidden_dim, std::int64_t out_dim = 0);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  std::shared_ptr<Linear> linear_1_;
  std::shared_ptr<Linear> linear_2_;
};

}  // namespace echopath::nn
