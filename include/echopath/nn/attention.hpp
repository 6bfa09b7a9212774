#pragma once

#include <cstdint>
#include <memory>

#include "echopath/nn/feature_layer.hpp"
#include "echopath/nn/layers.hpp"

namespace echopath::nn {

struct AttentionOptions {
  std::int64_t query_dim = 0;
  std::int64_t context_dim = 0;  ///< 0: self-attention
  std::int64_t heads = 1;
  std::int64_t head_dim = 64;
  bool qkv_bias = false;
};

/// Multi-head attention (Vaswani et al., 2017), keys `to_q`, `to_k`, `to_v`, `to_out.0`.
class Attention : public torch::nn::Module {
 public:
  explicit Attention(const AttentionOptions& options);

  /// Every token attends to all tokens of its row: x [N, S, C].
  torch::Tensor self_attention(const torch::Tensor& x);
  /// Every position attends to the same position in all frames: x [B, T, S, C].
  torch::Tensor temporal_self_attention(const torch::Tensor& x);
  /// x [N, S, C] attends to `context` [N, L, D].
  torch::Tensor cross_attention(const torch::Tensor& x, const torch::Tensor& context);
  /// The same for a context of one token, [N, 1, D]: the softmax over one key is 1, so the result
  /// to_out(to_v(context)) [N, 1, C] depends on no query. The gradients of `to_q`, of `to_k` and of
  /// the norm before the queries, where given, are zeros, as they are by the long way.
  torch::Tensor single_token_attention(const torch::Tensor& context,
                                       const torch::nn::Module* query_norm = nullptr);

 private:
  std::int64_t heads_;
  std::int64_t head_dim_;
  std::shared_ptr<Linear> to_q_;
  std::shared_ptr<Linear> to_k_;
  std::shared_ptr<Linear> to_v_;
  std::shared_ptr<Linear> to_out_;
};

struct AttentionBlockOptions {
  std::int64_t channels = 0;
  std::int64_t head_dim = 8;
  std::int64_t groups = 32;
  double eps = 1e-5;
  double output_scale_factor = 1.0;
};

/// GroupNorm → self-attention over the positions of a feature map, with biases, plus the input (the
/// attention of diffusers' VAE mid block and AttnDown/AttnUp blocks).
class AttentionBlock : public FeatureLayer {
 public:
  explicit AttentionBlock(const AttentionBlockOptions& options);
  torch::Tensor forward(const torch::Tensor& x, const StepContext& step) override;

 private:
  AttentionBlockOptions options_;
  std::shared_ptr<GroupNorm> group_norm_;
  std::shared_ptr<Attention> attention_;
};

}  // namespace echopath::nn
