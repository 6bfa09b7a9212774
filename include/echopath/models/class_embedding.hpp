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

  void visit(config::Visitor& v);
};

/// Learned mode: one vector per class and one for "no condition" (label num_classes), key
/// `embedding.weight` [num_classes + 1, width]. Scalar mode (published EchoPath code): the class
/// index itself as the context, where "no condition" is 0 and so equals class 0; no parameters.
class ClassEmbeddingImpl : public torch::nn::Module {
 public:
  explicit ClassEmbeddingImpl(ClassEmbeddingConfig config = {}, Compatibility compatibility = {});

  /// labels [B], integers in 0…num_classes; returns the context [B, 1, context_width()], float32.
  torch::Tensor forward(const torch::Tensor& labels);

  std::int64_t null_label() const { return config_.num_classes; }
  std::int64_t context_width() const { return config_.mode == "scalar" ? 1 : config_.width; }
  const ClassEmbeddingConfig& config() const { return config_; }

 private:
  ClassEmbeddingConfig config_;
  Compatibility compatibility_;
  torch::nn::Embedding embedding_{nullptr};
};
TORCH_MODULE(ClassEmbedding);

}  // namespace echopath::models
