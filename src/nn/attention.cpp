#include "echopath/nn/attention.hpp"

#include "nn/zero_gradient.hpp"

namespace echopath::nn {

namespace {

/// q, k, v [N, heads, S, d] to [N, heads, S, d]. In bfloat16 the CPU's kernel takes several times
/// as long as in float32, so that it gets float32 there.
torch::Tensor scaled_dot_product(const torch::Tensor& q, const torch::Tensor& k,
                                 const torch::Tensor& v) {
  if (!q.is_cpu() || q.scalar_type() != torch::kBFloat16) {
    return at::scaled_dot_product_attention(q, k, v);
  }
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::DispatchKey::AutocastCPU);
  return at::scaled_dot_product_attention(q.to(torch::kFloat), k.to(torch::kFloat),
                                          v.to(torch::kFloat))
      .to(torch::kBFloat16);
}

}  // namespace

Attention::Attention(const AttentionOptions& options)
    : heads_(options.heads), head_dim_(options.head_dim) {
  const std::int64_t inner = options.heads * options.head_dim;
  const std::int64_t key_dim = options.context_dim > 0 ? options.context_dim : options.query_dim;
  to_q_ =
      register_module("to_q", std::make_shared<Linear>(options.query_dim, inner, options.qkv_bias));
  to_k_ = register_module("to_k", std::make_shared<Linear>(key_dim, inner, options.qkv_bias));
  to_v_ = register_module("to_v", std::make_shared<Linear>(key_dim, inner, options.qkv_bias));
  auto to_out = register_module("to_out", std::make_shared<Container>());
  to_out_ = to_out->add("0", std::make_shared<Linear>(inner, options.query_dim));
}

torch::Tensor Attention::self_attention(const torch::Tensor& x) {
  return cross_attention(x, x);
}

torch::Tensor Attention::cross_attention(const torch::Tensor& x, const torch::Tensor& context) {
  // [N, S, heads·d] → [N, heads, S, d], a view.
  const auto split_heads = [this](const torch::Tensor& t) {
    return t.unflatten(-1, {heads_, head_dim_}).transpose(1, 2);
  };
  const torch::Tensor attended =
      scaled_dot_product(split_heads(to_q_->forward(x)), split_heads(to_k_->forward(context)),
                         split_heads(to_v_->forward(context)));
  return to_out_->forward(attended.transpose(1, 2).flatten(2));
}

torch::Tensor Attention::temporal_self_attention(const torch::Tensor& x) {
  // A position is to its neighbours what a head is to its neighbours, so [B, T, S, heads·d] is
  // viewed as S·heads heads over T: no frame is moved in memory.
  const std::int64_t positions = x.size(2);
  const auto split_heads = [this, positions](const torch::Tensor& t) {
    return t.flatten(2).unflatten(-1, {positions * heads_, head_dim_}).transpose(1, 2);
  };
  const torch::Tensor attended =
      scaled_dot_product(split_heads(to_q_->forward(x)), split_heads(to_k_->forward(x)),
                         split_heads(to_v_->forward(x)));
  return to_out_->forward(
      attended.transpose(1, 2).flatten(2).unflatten(-1, {positions, heads_ * head_dim_}));
}

torch::Tensor Attention::single_token_attention(const torch::Tensor& context,
                                                const torch::nn::Module* query_norm) {
  const torch::Tensor result = to_out_->forward(to_v_->forward(context));
  if (!torch::GradMode::is_enabled()) return result;
  std::vector<torch::Tensor> unused = to_q_->parameters();
  for (const torch::Tensor& parameter : to_k_->parameters()) unused.push_back(parameter);
  if (query_norm != nullptr) {
    for (const torch::Tensor& parameter : query_norm->parameters()) unused.push_back(parameter);
  }
  return with_zero_gradients(result, unused);
}

AttentionBlock::AttentionBlock(const AttentionBlockOptions& options) : options_(options) {
  TORCH_CHECK(options.channels % options.head_dim == 0, options.channels,
              " channels do not divide into heads of ", options.head_dim);
  group_norm_ = register_module(
      "group_norm", std::make_shared<GroupNorm>(options.groups, options.channels, options.eps));
  attention_ = std::make_shared<Attention>(
      AttentionOptions{options.channels, 0, options.channels / options.head_dim, options.head_dim,
                       /*qkv_bias=*/true});
  // diffusers keeps the projections beside the norm, not under a name of their own.
  for (const auto& item : attention_->named_children()) register_module(item.key(), item.value());
}

torch::Tensor AttentionBlock::forward(const torch::Tensor& x, const StepContext&) {
  const torch::Tensor attended = attention_->self_attention(tokens_of(group_norm_->forward(x)));
  const torch::Tensor sum = x + feature_map_of(attended, x.size(2), x.size(3));
  return options_.output_scale_factor == 1.0 ? sum : sum / options_.output_scale_factor;
}

}  // namespace echopath::nn
