#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"

namespace echopath::models {

/// What a 2-D ResNet is made of, whatever stands behind its features.
struct ResNetShape {
  std::int64_t in_channels = 3;
  std::int64_t width = 64;                          ///< channels of the stem and first stage
  std::vector<std::int64_t> depths = {3, 4, 6, 3};  ///< blocks per stage, four stages
  std::string block = "bottleneck";                 ///< bottleneck (expansion 4) or basic

  void visit(config::Visitor& v);
};

/// A 2-D ResNet; the defaults are torchvision's resnet50 (V1.5: the stride sits on the 3×3
/// convolution).
struct ResNetOptions : ResNetShape {
  std::int64_t num_classes = 1000;  ///< width of `fc`
  double dropout = 0.0;             ///< of the features before `fc`, in training

  void visit(config::Visitor& v);
};

/// The network with torchvision's key names; kaiming fan-out initialisation of the convolutions.
class ResNetImpl : public torch::nn::Module {
 public:
  /// Throws ConfigError on options that cannot be built.
  explicit ResNetImpl(ResNetOptions options = {});
  ~ResNetImpl() override;

  /// x [B, in_channels, H, W] to logits [B, num_classes].
  torch::Tensor forward(const torch::Tensor& x);
  /// The pooled features before `fc`: [B, feature_dim()].
  torch::Tensor features(const torch::Tensor& x);
  /// What the stem (before its pooling) and each of the four stages make of x, finest first: five
  /// maps [B, c, h, w].
  std::vector<torch::Tensor> feature_maps(const torch::Tensor& x);
  std::int64_t feature_dim() const;
  const ResNetOptions& options() const { return options_; }

 private:
  struct Layers;
  ResNetOptions options_;
  std::unique_ptr<Layers> layers_;
};
TORCH_MODULE(ResNet);

}  // namespace echopath::models
