#include "echopath/nn/spatio_temporal.hpp"

#include "echopath/nn/resnet_block.hpp"

namespace echopath::nn {

namespace {

/// The axis of frames, taken apart: [B·T, …] → [B, T, …].
torch::Tensor by_frame(const torch::Tensor& x, std::int64_t frames) {
  return x.unflatten(0, {-1, frames});
}

}  // namespace

AlphaBlender::AlphaBlender() {
  mix_factor_ = register_parameter("mix_factor", torch::full({1}, 0.5));
}

torch::Tensor AlphaBlender::forward(const torch::Tensor& spatial, const torch::Tensor& temporal,
                                    const StepContext& step) {
  torch::Tensor alpha = mix_factor_.sigmoid();
  if (step.image_only_indicator.defined()) {
    const torch::Tensor still = step.image_only_indicator.to(torch::kBool);  // [B, T]
    alpha = at::where(still, at::ones({}, alpha.options()), alpha).unsqueeze(-1).unsqueeze(-1);
  }
  return at::lerp(temporal, spatial, alpha.to(spatial.scalar_type()));
}

TemporalResnetBlock::TemporalResnetBlock(const SpatioTemporalResBlockOptions& options) {
  const std::int64_t channels = options.out_channels;
  const auto norm = [&] {
    return std::make_shared<GroupNorm>(options.groups, channels, options.eps);
  };
  norm1_ = register_module("norm1", norm());
  conv1_ = register_module("conv1", std::make_shared<TemporalConv>(channels, channels));
  time_emb_proj_ =
      register_module("time_emb_proj", std::make_shared<Linear>(options.temb_channels, channels));
  norm2_ = register_module("norm2", norm());
  conv2_ = register_module("conv2", std::make_shared<TemporalConv>(channels, channels));
}

torch::Tensor TemporalResnetBlock::forward(const torch::Tensor& x, const StepContext& step) {
  torch::Tensor h = conv1_->forward(norm1_->forward_silu(x));
  const torch::Tensor shift = step.activated_temb.derive(
      *time_emb_proj_, [&](const torch::Tensor& temb) { return time_emb_proj_->forward(temb); });
  h = norm2_->forward_silu(h, shift);
  return x + conv2_->forward(h);
}

SpatioTemporalResBlock::SpatioTemporalResBlock(const SpatioTemporalResBlockOptions& options) {
  ResnetBlockOptions spatial;
  spatial.in_channels = options.in_channels;
  spatial.out_channels = options.out_channels;
  spatial.temb_channels = options.temb_channels;
  spatial.groups = options.groups;
  spatial.eps = options.eps;
  spatial_res_block_ =
      register_module("spatial_res_block", std::make_shared<ResnetBlock2D>(spatial));
  temporal_res_block_ =
      register_module("temporal_res_block", std::make_shared<TemporalResnetBlock>(options));
  time_mixer_ = register_module("time_mixer", std::make_shared<AlphaBlender>());
}

torch::Tensor SpatioTemporalResBlock::forward(const torch::Tensor& x, const StepContext& step) {
  const torch::Tensor spatial_map = spatial_res_block_->forward(x, step);       // [B·T, C, H, W]
  const torch::Tensor spatial = by_frame(tokens_of(spatial_map), step.frames);  // [B, T, S, C]
  const torch::Tensor temporal =
      temporal_res_block_->forward(spatial.permute({0, 3, 1, 2}), step).permute({0, 2, 3, 1});
  const torch::Tensor blended = time_mixer_->forward(spatial, temporal, step);
  return feature_map_of(blended.flatten(0, 1), spatial_map.size(2), spatial_map.size(3));
}

TemporalTransformerBlock::TemporalTransformerBlock(const TransformerOptions& options) {
  const std::int64_t dim = options.channels;
  const std::int64_t head_dim = dim / options.heads;
  norm_in_ = register_module("norm_in", std::make_shared<LayerNorm>(dim));
  ff_in_ = register_module("ff_in", std::make_shared<FeedForward>(dim));
  norm1_ = register_module("norm1", std::make_shared<LayerNorm>(dim));
  attn1_ = register_module(
      "attn1", std::make_shared<Attention>(AttentionOptions{dim, 0, options.heads, head_dim}));
  norm2_ = register_module("norm2", std::make_shared<LayerNorm>(dim));
  attn2_ =
      register_module("attn2", std::make_shared<Attention>(AttentionOptions{
                                   dim, options.cross_attention_dim, options.heads, head_dim}));
  norm3_ = register_module("norm3", std::make_shared<LayerNorm>(dim));
  ff_ = register_module("ff", std::make_shared<FeedForward>(dim));
}

torch::Tensor TemporalTransformerBlock::cross_attention(const torch::Tensor& tokens,
                                                        const StepContext& step) {
  const torch::Tensor context = step.context.value().select(1, 0);  // the first frame's, [B, L, D]
  const std::int64_t batch = tokens.size(0);
  const std::int64_t positions = tokens.size(2);
  if (context.size(1) > 1) {
    TORCH_CHECK(!step.context_mixup, "the context mix-up is defined for one context token");
    // All queries of a sample see the same keys, whatever their frame and position.
    const torch::Tensor attended =
        attn2_->cross_attention(norm2_->forward(tokens).flatten(1, 2), context);
    return tokens + attended.view_as(tokens);
  }
  torch::Tensor rows = step.context.derive(*attn2_, [&](const torch::Tensor&) {
    return attn2_->single_token_attention(context, norm2_.get()).unsqueeze(2);  // [B, 1, 1, C]
  });
  if (step.context_mixup) {
    const torch::Tensor sources =
        torch::arange(batch * positions, rows.options().dtype(torch::kLong).requires_grad(false))
            .remainder(batch);
    rows = rows.flatten(0, 2).index_select(0, sources).view({batch, 1, positions, rows.size(-1)});
  }
  return tokens + rows;
}

torch::Tensor TemporalTransformerBlock::forward(const torch::Tensor& tokens,
                                                const StepContext& step) {
  torch::Tensor h = tokens + ff_in_->forward(norm_in_->forward(tokens));
  h = h + attn1_->temporal_self_attention(norm1_->forward(h));
  h = cross_attention(h, step);
  return h + ff_->forward(norm3_->forward(h));
}

TransformerSpatioTemporal::TransformerSpatioTemporal(const TransformerOptions& options)
    : channels_(options.channels) {
  norm_ = register_module("norm", std::make_shared<GroupNorm>(options.groups, channels_, 1e-6));
  proj_in_ = register_module("proj_in", std::make_shared<Linear>(channels_, channels_));
  auto spatial = register_module("transformer_blocks", std::make_shared<Container>());
  auto temporal = register_module("temporal_transformer_blocks", std::make_shared<Container>());
  for (std::int64_t i = 0; i < options.layers; ++i) {
    const std::string name = std::to_string(i);
    spatial_blocks_.push_back(spatial->add(name, std::make_shared<BasicTransformerBlock>(options)));
    temporal_blocks_.push_back(
        temporal->add(name, std::make_shared<TemporalTransformerBlock>(options)));
  }
  time_pos_embed_ = register_module(
      "time_pos_embed", std::make_shared<TimestepEmbedding>(channels_, channels_ * 4, channels_));
  time_mixer_ = register_module("time_mixer", std::make_shared<AlphaBlender>());
  proj_out_ = register_module("proj_out", std::make_shared<Linear>(channels_, channels_));
}

torch::Tensor TransformerSpatioTemporal::forward(const torch::Tensor& x, const StepContext& step) {
  torch::Tensor tokens = proj_in_->forward(tokens_of(norm_->forward(x)));  // [B·T, S, C]
  const torch::Tensor frame_embedding =
      step.frame_numbers.derive(*time_pos_embed_, [&](const torch::Tensor& numbers) {
        const torch::Tensor sinusoid = sinusoidal_embedding(numbers, {channels_, true, 0});
        return time_pos_embed_->forward(sinusoid.to(x.scalar_type())).unsqueeze(1);  // [T, 1, C]
      });
  for (std::size_t i = 0; i < spatial_blocks_.size(); ++i) {
    const torch::Tensor spatial =
        by_frame(spatial_blocks_[i]->forward(tokens, step), step.frames);  // [B, T, S, C]
    const torch::Tensor temporal = temporal_blocks_[i]->forward(spatial + frame_embedding, step);
    tokens = time_mixer_->forward(spatial, temporal, step).flatten(0, 1);
  }
  return x + feature_map_of(proj_out_->forward(tokens), x.size(2), x.size(3));
}

}  // namespace echopath::nn
