#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "echopath/nn/attention.hpp"
#include "echopath/nn/feature_layer.hpp"
#include "echopath/nn/layers.hpp"
#include "echopath/nn/time_embedding.hpp"
#include "echopath/nn/transformer.hpp"

namespace echopath::nn {

/// α·spatial + (1 − α)·temporal with a learned α = sigmoid(mix_factor), and α = 1 where
/// image_only_indicator is set (diffusers' AlphaBlender, "learned_with_images"). `mix_factor`
/// starts at 0.5, before the sigmoid.
class AlphaBlender : public torch::nn::Module {
 public:
  AlphaBlender();
  /// Both [B, T, S, C].
  torch::Tensor forward(const torch::Tensor& spatial, const torch::Tensor& temporal,
                        const StepContext& step);

 private:
  torch::Tensor mix_factor_;
};

struct SpatioTemporalResBlockOptions {
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t temb_channels = 0;
  double eps = 1e-6;         ///< of the spatial and the temporal norms
  std::int64_t groups = 32;  ///< of both norms
};

/// Residual block over time: norm1 → SiLU → conv1 → + time_emb_proj → norm2 → SiLU → conv2, plus
/// the input. The norms span all frames of a sample.
class TemporalResnetBlock : public torch::nn::Module {
 public:
  /// Of `options` the spatial block's input channels do not count.
  explicit TemporalResnetBlock(const SpatioTemporalResBlockOptions& options);
  /// x [B, C, T, S].
  torch::Tensor forward(const torch::Tensor& x, const StepContext& step);

 private:
  std::shared_ptr<GroupNorm> norm1_;
  std::shared_ptr<TemporalConv> conv1_;
  std::shared_ptr<Linear> time_emb_proj_;
  std::shared_ptr<GroupNorm> norm2_;
  std::shared_ptr<TemporalConv> conv2_;
};

/// A spatial residual block, then a temporal one on its output, blended.
class SpatioTemporalResBlock : public FeatureLayer {
 public:
  explicit SpatioTemporalResBlock(const SpatioTemporalResBlockOptions& options);
  torch::Tensor forward(const torch::Tensor& x, const StepContext& step) override;

 private:
  std::shared_ptr<FeatureLayer> spatial_res_block_;
  std::shared_ptr<TemporalResnetBlock> temporal_res_block_;
  std::shared_ptr<AlphaBlender> time_mixer_;
};

/// Transformer block over the frames of each position, on tokens [B, T, S, C]: ff_in,
/// self-attention over T, cross-attention to the context of the first frame, ff; each after a
/// LayerNorm and with a residual.
class TemporalTransformerBlock : public torch::nn::Module {
 public:
  explicit TemporalTransformerBlock(const TransformerOptions& options);
  torch::Tensor forward(const torch::Tensor& tokens, const StepContext& step);

 private:
  torch::Tensor cross_attention(const torch::Tensor& tokens, const StepContext& step);

  std::shared_ptr<LayerNorm> norm_in_;
  std::shared_ptr<FeedForward> ff_in_;
  std::shared_ptr<LayerNorm> norm1_;
  std::shared_ptr<Attention> attn1_;
  std::shared_ptr<LayerNorm> norm2_;
  std::shared_ptr<Attention> attn2_;
  std::shared_ptr<LayerNorm> norm3_;
  std::shared_ptr<FeedForward> ff_;
};

/// diffusers' TransformerSpatioTemporalModel: per layer a spatial transformer block, then a
/// temporal one on its output plus a frame embedding, blended.
class TransformerSpatioTemporal : public FeatureLayer {
 public:
  explicit TransformerSpatioTemporal(const TransformerOptions& options);
  torch::Tensor forward(const torch::Tensor& x, const StepContext& step) override;

 private:
  std::int64_t channels_;
  std::shared_ptr<GroupNorm> norm_;
  std::shared_ptr<Linear> proj_in_;
  std::vector<std::shared_ptr<BasicTransformerBlock>> spatial_blocks_;
  std::vector<std::shared_ptr<TemporalTransformerBlock>> temporal_blocks_;
  std::shared_ptr<TimestepEmbedding> time_pos_embed_;
  std::shared_ptr<AlphaBlender> time_mixer_;
  std::shared_ptr<Linear> proj_out_;
};

}  // namespace echopath::nn
