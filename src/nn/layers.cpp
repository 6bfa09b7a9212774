#include "echopath/nn/layers.hpp"

#include <cmath>

namespace echopath::nn {

namespace {

/// PyTorch's default for Linear and Conv weights and biases: kaiming_uniform with a = √5, which is
/// uniform in ±1/√fan_in.
torch::Tensor uniform_parameter(at::IntArrayRef shape, std::int64_t fan_in) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
  return torch::empty(shape).uniform_(-bound, bound);
}

}  // namespace

Linear::Linear(std::int64_t in_features, std::int64_t out_features, bool bias) {
  weight_ =
      register_parameter("weight", uniform_parameter({out_features, in_features}, in_features));
  if (bias) bias_ = register_parameter("bias", uniform_parameter({out_features}, in_features));
}

torch::Tensor Linear::forward(const torch::Tensor& x) {
  return at::linear(x, weight_, bias_);
}

Conv2d::Conv2d(const Conv2dOptions& options) : options_(options) {
  const std::int64_t k = options.kernel_size;
  const std::int64_t fan_in = options.in_channels * k * k;
  // oneDNN wants the weights in the memory format of the feature maps.
  weight_ = register_parameter(
      "weight", uniform_parameter({options.out_channels, options.in_channels, k, k}, fan_in)
                    .contiguous(at::MemoryFormat::ChannelsLast));
  bias_ = register_parameter("bias", uniform_parameter({options.out_channels}, fan_in));
}

torch::Tensor Conv2d::forward(const torch::Tensor& x) {
  return at::conv2d(x, weight_, bias_, options_.stride, options_.padding);
}

TemporalConv::TemporalConv(std::int64_t in_channels, std::int64_t out_channels) {
  const std::int64_t fan_in = in_channels * 3;
  weight_ =
      register_parameter("weight", uniform_parameter({out_channels, in_channels, 3, 1, 1}, fan_in)
                                       .contiguous(at::MemoryFormat::ChannelsLast3d));
  bias_ = register_parameter("bias", uniform_parameter({out_channels}, fan_in));
}

torch::Tensor TemporalConv::forward(const torch::Tensor& x) {
  // A (3, 1, 1) convolution of [B, C, T, H, W] is a (3, 1) convolution of [B, C, T, H·W].
  return at::conv2d(x, weight_.squeeze(-1), bias_, /*stride=*/1, /*padding=*/{1, 0});
}

GroupNorm::GroupNorm(std::int64_t groups, std::int64_t channels, double eps)
    : groups_(groups), eps_(eps) {
  TORCH_CHECK(channels % groups == 0, channels, " channels do not divide into ", groups, " groups");
  weight_ = register_parameter("weight", torch::ones({channels}));
  bias_ = register_parameter("bias", torch::zeros({channels}));
}

torch::Tensor GroupNorm::forward(const torch::Tensor& x) {
  return at::group_norm(x, groups_, weight_, bias_, eps_);
}

torch::Tensor GroupNorm::forward_silu(const torch::Tensor& x) {
  return at::silu(forward(x));
}

LayerNorm::LayerNorm(std::int64_t features, double eps) : features_(features), eps_(eps) {
  weight_ = register_parameter("weight", torch::ones({features}));
  bias_ = register_parameter("bias", torch::zeros({features}));
}

torch::Tensor LayerNorm::forward(const torch::Tensor& x) {
  return at::layer_norm(x, {features_}, weight_, bias_, eps_);
}

}  // namespace echopath::nn
