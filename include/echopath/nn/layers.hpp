#pragma once

#include <torch/torch.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

namespace echopath::nn {

/// The leaves of every network. They carry PyTorch's parameter names and default initialisation
/// (uniform in ±1/√fan_in, drawn from LibTorch's default generator, which the caller seeds).

/// y = x Wᵀ + b over the last dimension.
class Linear : public torch::nn::Module {
 public:
  Linear(std::int64_t in_features, std::int64_t out_features, bool bias = true);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  torch::Tensor weight_;
  torch::Tensor bias_;
};

struct Conv2dOptions {
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t kernel_size = 3;
  std::int64_t stride = 1;
  std::int64_t padding = 1;
};

/// 2-D convolution of [N, C, H, W].
class Conv2d : public torch::nn::Module {
 public:
  explicit Conv2d(const Conv2dOptions& options);
  torch::Tensor forward(const torch::Tensor& x);
  const Conv2dOptions& options() const { return options_; }
  const torch::Tensor& weight() const { return weight_; }
  const torch::Tensor& bias() const { return bias_; }

 private:
  Conv2dOptions options_;
  torch::Tensor weight_;
  torch::Tensor bias_;
};

/// Convolution over time alone, kernel 3, on [B, C, T, S] with S the positions of a frame. Its
/// weight has the shape of a (3, 1, 1) Conv3d: [out, in, 3, 1, 1].
class TemporalConv : public torch::nn::Module {
 public:
  TemporalConv(std::int64_t in_channels, std::int64_t out_channels);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  torch::Tensor weight_;
  torch::Tensor bias_;
};

/// Group normalisation of [N, C, H, W] with an affine map per channel; on the CPU in channels-last
/// memory.
class GroupNorm : public torch::nn::Module {
 public:
  GroupNorm(std::int64_t groups, std::int64_t channels, double eps);
  torch::Tensor forward(const torch::Tensor& x);
  /// SiLU of the normalised x + shift, shift [N, C] or undefined.
  torch::Tensor forward_silu(const torch::Tensor& x, const torch::Tensor& shift = {});
  /// What is added to the variance. Networks set it once; a comparison may try another.
  double eps() const { return eps_; }
  void set_eps(double eps) { eps_ = eps; }

 private:
  torch::Tensor run(const torch::Tensor& x, const torch::Tensor& shift, bool silu);
  /// Whether the fused CPU kernel takes this input.
  bool has_kernel(const torch::Tensor& x) const;

  std::int64_t groups_;
  double eps_;
  torch::Tensor weight_;
  torch::Tensor bias_;
};

/// Layer normalisation over the last dimension.
class LayerNorm : public torch::nn::Module {
 public:
  explicit LayerNorm(std::int64_t features, double eps = 1e-5);
  torch::Tensor forward(const torch::Tensor& x);
  /// As GroupNorm's.
  double eps() const { return eps_; }
  void set_eps(double eps) { eps_ = eps; }

 private:
  std::int64_t features_;
  double eps_;
  torch::Tensor weight_;
  torch::Tensor bias_;
};

/// A module that only groups others under a name: `attentions`, `net`, `to_out`.
class Container : public torch::nn::Module {
 public:
  /// Registers `child` under its index (`0`, `1`, …) or another name.
  template <class Child>
  std::shared_ptr<Child> add(const std::string& name, std::shared_ptr<Child> child) {
    return register_module(name, std::move(child));
  }
};

}  // namespace echopath::nn
