#include "echopath/models/class_embedding.hpp"

namespace echopath::models {

void ClassEmbeddingConfig::visit(config::Visitor& v) {
  v.integer("num_classes", num_classes, {1, 100000}, "number of classes, without the null token");
  v.integer("width", width, {1, 65536}, "width of the learned vectors: cross_attention_dim");
  v.choice("mode", mode, {"learned", "scalar"},
           "a learned vector per class, or a number as it is (published code)");
  v.choice(
      "source", source, {"class", "ef"},
      "scalar: the number is the class index (EchoPath), or the ejection fraction, EF / 100 of "
      "FileList.csv (EchoNet-Synthetic); no condition is 0 in either");
}

ClassEmbeddingImpl::ClassEmbeddingImpl(ClassEmbeddingConfig config, Compatibility compatibility)
    : config_(std::move(config)), compatibility_(compatibility) {
  if (config_.mode == "scalar") return;
  embedding_ =
      register_module("embedding", torch::nn::Embedding(config_.num_classes + 1, config_.width));
}

torch::Tensor ClassEmbeddingImpl::forward(const torch::Tensor& conditions) {
  if (takes_ejection_fraction()) return conditions.to(torch::kFloat).view({-1, 1, 1});
  const torch::Tensor& labels = conditions;
  const bool null_is_zero = embedding_.is_empty() || compatibility_.null_is_class_zero;
  const torch::Tensor tokens =
      null_is_zero ? at::where(labels == null_label(), at::zeros_like(labels), labels) : labels;
  if (embedding_) return embedding_->forward(tokens).unsqueeze(1);
  return tokens.to(torch::kFloat).view({-1, 1, 1});
}

}  // namespace echopath::models
