#include "echopath/nn/time_embedding.hpp"

#include <cmath>

namespace echopath::nn {

torch::Tensor sinusoidal_embedding(const torch::Tensor& positions, const SinusoidOptions& options) {
  const std::int64_t half = options.dim / 2;
  // The order of operations is diffusers', so that large timesteps round alike.
  const torch::Tensor exponents = torch::arange(half, positions.options().dtype(torch::kFloat)) *
                                  -std::log(10000.0) /
                                  static_cast<double>(half - options.freq_shift);
  const torch::Tensor angles = positions.to(torch::kFloat).unsqueeze(1) * exponents.exp();
  const torch::Tensor sines = angles.sin();
  const torch::Tensor cosines = angles.cos();
  torch::Tensor embedding =
      options.flip_sin_to_cos ? torch::cat({cosines, sines}, 1) : torch::cat({sines, cosines}, 1);
  return options.dim % 2 == 0 ? embedding : at::constant_pad_nd(embedding, {0, 1});
}

TimestepEmbedding::TimestepEmbedding(std::int64_t in_dim, std::int64_t hidden_dim,
                                     std::int64_t out_dim) {
  linear_1_ = register_module("linear_1", std::make_shared<Linear>(in_dim, hidden_dim));
  linear_2_ = register_module(
      "linear_2", std::make_shared<Linear>(hidden_dim, out_dim == 0 ? hidden_dim : out_dim));
}

torch::Tensor TimestepEmbedding::forward(const torch::Tensor& x) {
  return linear_2_->forward(at::silu(linear_1_->forward(x)));
}

}  // namespace echopath::nn
