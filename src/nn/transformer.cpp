#include "echopath/nn/transformer.hpp"

#include "nn/geglu_kernel.hpp"

namespace echopath::nn {

namespace {

/// Cross-attention of tokens [B·T, S, C] to the context of `step`, plus the tokens.
torch::Tensor attend_to_context(Attention& attention, LayerNorm& norm, const torch::Tensor& tokens,
                                const StepContext& step) {
  const torch::Tensor& context = step.context.value();  // [B, 1 or T, L, D]
  const std::int64_t batch = context.size(0);
  const bool one_per_frame = context.size(1) > 1;
  if (context.size(2) == 1) {
    const torch::Tensor rows = step.context.derive(attention, [&](const torch::Tensor& token) {
      return attention.single_token_attention(token, &norm);  // [B, 1 or T, 1, C]
    });
    return (tokens.unflatten(0, {batch, step.frames}) + rows).flatten(0, 1);
  }
  if (one_per_frame) {
    return tokens + attention.cross_attention(norm.forward(tokens), context.flatten(0, 1));
  }
  const torch::Tensor by_sample = tokens.unflatten(0, {batch, step.frames}).flatten(1, 2);
  const torch::Tensor attended =
      attention.cross_attention(norm.forward(by_sample), context.squeeze(1));
  return tokens + attended.view_as(tokens);
}

}  // namespace

FeedForward::FeedForward(std::int64_t dim) {
  auto net = register_module("net", std::make_shared<Container>());
  auto geglu = net->add("0", std::make_shared<Container>());
  proj_ = geglu->add("proj", std::make_shared<Linear>(dim, dim * 8));
  out_ = net->add("2", std::make_shared<Linear>(dim * 4, dim));
}

torch::Tensor FeedForward::forward(const torch::Tensor& x) {
  return out_->forward(geglu(proj_->forward(x)));
}

BasicTransformerBlock::BasicTransformerBlock(const TransformerOptions& options) {
  const std::int64_t dim = options.channels;
  const std::int64_t head_dim = dim / options.heads;
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

torch::Tensor BasicTransformerBlock::forward(const torch::Tensor& tokens, const StepContext& step) {
  torch::Tensor h = tokens + attn1_->self_attention(norm1_->forward(tokens));
  h = attend_to_context(*attn2_, *norm2_, h, step);
  return h + ff_->forward(norm3_->forward(h));
}

Transformer2D::Transformer2D(const TransformerOptions& options) {
  const std::int64_t channels = options.channels;
  norm_ = register_module("norm", std::make_shared<GroupNorm>(options.groups, channels, 1e-6));
  if (options.use_linear_projection) {
    linear_in_ = register_module("proj_in", std::make_shared<Linear>(channels, channels));
    linear_out_ = register_module("proj_out", std::make_shared<Linear>(channels, channels));
  } else {
    const Conv2dOptions pointwise{channels, channels, 1, 1, 0};
    conv_in_ = register_module("proj_in", std::make_shared<Conv2d>(pointwise));
    conv_out_ = register_module("proj_out", std::make_shared<Conv2d>(pointwise));
  }
  auto blocks = register_module("transformer_blocks", std::make_shared<Container>());
  for (std::int64_t i = 0; i < options.layers; ++i) {
    blocks_.push_back(
        blocks->add(std::to_string(i), std::make_shared<BasicTransformerBlock>(options)));
  }
}

torch::Tensor Transformer2D::forward(const torch::Tensor& x, const StepContext& step) {
  const torch::Tensor normed = norm_->forward(x);
  torch::Tensor tokens =
      conv_in_ ? tokens_of(conv_in_->forward(normed)) : linear_in_->forward(tokens_of(normed));
  for (const auto& block : blocks_) tokens = block->forward(tokens, step);
  if (conv_out_) return x + conv_out_->forward(feature_map_of(tokens, x.size(2), x.size(3)));
  return x + feature_map_of(linear_out_->forward(tokens), x.size(2), x.size(3));
}

}  // namespace echopath::nn
