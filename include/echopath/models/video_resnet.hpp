#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"

namespace echopath::models {

/// What a video ResNet is made of, whatever its convolutions and its head.
struct VideoResNetShape {
  std::int64_t in_channels = 3;
  std::int64_t width = 64;                          ///< channels of the stem and first stage
  std::vector<std::int64_t> depths = {2, 2, 2, 2};  ///< blocks per stage, four stages

  void visit(config::Visitor& v);
};

/// A video ResNet of basic blocks; the defaults are torchvision's r3d_18 (Tran et al., 2018).
struct VideoResNetOptions : VideoResNetShape {
  /// 3d (r3d_18), or 2plus1d (r2plus1d_18): a convolution over space, then one over time.
  std::string convolution = "3d";
  std::int64_t num_classes = 400;  ///< width of `fc`
  double dropout = 0.0;            ///< of the features before `fc`, in training

  void visit(config::Visitor& v);
};

/// The network with torchvision's key names; kaiming fan-out initialisation of the convolutions.
class VideoResNetImpl : public torch::nn::Module {
 public:
  /// Throws ConfigError on options that cannot be built.
  explicit VideoResNetImpl(VideoResNetOptions options = {});
  ~VideoResNetImpl() override;

  /// x [B, in_channels, T, H, W] to logits [B, num_classes].
  torch::Tensor forward(const torch::Tensor& x);
  /// The pooled features before `fc`: [B, feature_dim()].
  torch::Tensor features(const torch::Tensor& x);
  std::int64_t feature_dim() const { return options_.width * 8; }
  const VideoResNetOptions& options() const { return options_; }

 private:
  struct Layers;
  VideoResNetOptions options_;
  std::unique_ptr<Layers> layers_;
};
TORCH_MODULE(VideoResNet);

}  // namespace echopath::models
