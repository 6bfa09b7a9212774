#include "echopath/models/reid.hpp"

#include <c10/core/impl/LocalDispatchKeySet.h>

namespace echopath::models {

namespace {

/// While one lives, autocast changes nothing.
struct FullPrecision {
  c10::impl::ExcludeDispatchKeyGuard guard{c10::autocast_dispatch_keyset};
};

/// (x − low)/(high − low)·2 − 1; −1 where both bounds agree.
torch::Tensor to_unit_range(const torch::Tensor& x, const torch::Tensor& low,
                            const torch::Tensor& high) {
  const torch::Tensor range = high - low;
  const torch::Tensor divisor = at::where(range == 0, at::ones_like(range), range);
  return (x - low) / divisor * 2.0 - 1.0;
}

/// Rows with mean 0 and length 1; a constant row becomes 0.
torch::Tensor standardise_rows(const torch::Tensor& rows) {
  const torch::Tensor centred = rows - rows.mean(1, /*keepdim=*/true);
  const torch::Tensor length = centred.norm(2, {1}, /*keepdim=*/true);
  return centred / at::where(length == 0, at::ones_like(length), length);
}

}  // namespace

void ReIdConfig::visit(config::Visitor& v) {
  ResNetShape::visit(v);
  v.integer("embedding_dim", embedding_dim, {1, 4096}, "width of the embedding");
}

ReIdNetImpl::ReIdNetImpl(ReIdConfig config) : config_(std::move(config)) {
  model_ = register_module(
      "model",
      ResNet(ResNetOptions{{config_.in_channels, config_.width, config_.depths, config_.block},
                           config_.embedding_dim}));
  fc_end_ = register_module("fc_end", torch::nn::Linear(config_.embedding_dim, 1));
}

torch::Tensor ReIdNetImpl::embed(const torch::Tensor& x) {
  const FullPrecision scope;
  return model_->forward(x).sigmoid();
}

torch::Tensor ReIdNetImpl::compare(const torch::Tensor& embedding_a,
                                   const torch::Tensor& embedding_b) {
  const FullPrecision scope;
  return fc_end_->forward((embedding_a - embedding_b).abs()).squeeze(1);
}

torch::Tensor ReIdNetImpl::forward(const torch::Tensor& a, const torch::Tensor& b) {
  return compare(embed(a), embed(b));
}

torch::Tensor normalise_per_frame(const torch::Tensor& x) {
  const torch::Tensor rows = x.flatten(1);
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  shape[0] = x.size(0);
  return to_unit_range(x, rows.amin(1).view(shape), rows.amax(1).view(shape));
}

torch::Tensor normalise_jointly(const torch::Tensor& x) {
  return to_unit_range(x, x.min(), x.max());
}

torch::Tensor pearson_similarity(const torch::Tensor& a, const torch::Tensor& b) {
  return at::matmul(standardise_rows(a), standardise_rows(b).t()).clamp(-1.0, 1.0);
}

}  // namespace echopath::models
