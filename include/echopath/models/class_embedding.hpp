#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>

#include "echopath/config/options.hpp"
#include "echopath/models/compatibility.hpp"

namespace echopath::models {

/// How a class label becomes the context of cross-attention.
struct ClassEmbeddingConfig {
  std::int64_t num_classes = 4;
  std::int64_t width = 64;       ///< the networks' cross_attention_dim; 1 in scalar mode
  std::string mode = "learned";  ///< learned, or scalar (the published EchoPath code)
  std::string source = "class";  ///< of a scalar: class, or ef (EchoNet-Synthetic)

  void visit(config::Visitor& v);
};

/// Learned mode: one vector per class and one for "no condition" (label num_classes), key
/// `embedding.weight` [num_classes + 1, width]. Scalar mode: a number itself as the context, where
/// "no condition" is 0; no parameters. The number is the class index (published EchoPath code), so
/// that "no condition" equals class 0, or the ejection fraction (EchoNet-Synthetic).
class ClassEmbeddingImpl : public torch::nn::Module {
 public:
  explicit ClassEmbeddingImpl(ClassEmbeddingConfig config = {}, Compatibility compatibility = {});

  /// conditions [B]: labels, integers in 0…num_classes; or, with source ef, ejection fractions as
  /// parts of one. Returns the context [B, 1, context_width()], float32.
  torch::Tensor forward(const torch::Tensor& conditions);

  /// Whether the condition is the ejection fraction (EF / 100) and not the class.
  bool takes_ejection_fraction() const { return config_.source == "ef"; }
  std::int64_t null_label() const { return config_.num_classes; }
  /// What forward() takes for "no condition".
  std::int64_t null_condition() const { return takes_ejection_fraction() ? 0 : null_label(); }
  std::int64_t context_width() const { return config_.mode == "scalar" ? 1 : config_.width; }
  const ClassEmbeddingConfig& config() const { return config_; }

 private:
  ClassEmbeddingConfig config_;
  Compatibility compatibility_;
  torch::nn::Embedding embedding_{nullptr};
};
TORCH_MODULE(ClassEmbedding);

}  // namespace echopath::models
