#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "echopath/nn/attention.hpp"
#include "echopath/nn/feature_layer.hpp"
#include "echopath/nn/layers.hpp"

namespace echopath::nn {

/// Linear to 8·dim, GEGLU (Shazeer, 2020) with the exact GELU, Linear back; keys `net.0.proj`,
/// `net.2`.
class FeedForward : public torch::nn::Module {
 public:
  explicit FeedForward(std::int64_t dim);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  std::shared_ptr<Linear> proj_;
  std::shared_ptr<Linear> out_;
};

struct TransformerOptions {
  std::int64_t channels = 0;
  std::int64_t heads = 1;
  std::int64_t cross_attention_dim = 64;
  std::int64_t layers = 1;
  std::int64_t groups = 32;            ///< of the GroupNorm before the first layer
  bool use_linear_projection = false;  ///< proj_in and proj_out as Linear, not as 1×1 convolutions
};

/// Self-attention, cross-attention and feed-forward, each after a LayerNorm and with a residual.
class BasicTransformerBlock : public torch::nn::Module {
 public:
  explicit BasicTransformerBlock(const TransformerOptions& options);
  /// tokens [B·T, S, C].
  torch::Tensor forward(const torch::Tensor& tokens, const StepContext& step);

 private:
  std::shared_ptr<LayerNorm> norm1_;
  std::shared_ptr<Attention> attn1_;
  std::shared_ptr<LayerNorm> norm2_;
  std::shared_ptr<Attention> attn2_;
  std::shared_ptr<LayerNorm> norm3_;
  std::shared_ptr<FeedForward> ff_;
};

/// diffusers' Transformer2DModel for feature maps.
class Transformer2D : public FeatureLayer {
 public:
  explicit Transformer2D(const TransformerOptions& options);
  torch::Tensor forward(const torch::Tensor& x, const StepContext& step) override;

 private:
  std::shared_ptr<GroupNorm> norm_;
  std::shared_ptr<Conv2d> conv_in_;
  std::shared_ptr<Conv2d> conv_out_;
  std::shared_ptr<Linear> linear_in_;
  std::shared_ptr<Linear> linear_out_;
  std::vector<std::shared_ptr<BasicTransformerBlock>> blocks_;
};

}  // namespace echopath::nn
