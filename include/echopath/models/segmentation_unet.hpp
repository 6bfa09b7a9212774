#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "echopath/config/options.hpp"

namespace echopath::models {

/// What a segmentation U-Net is made of, whatever it tells apart.
struct SegmentationUNetShape {
  std::int64_t in_channels = 3;
  std::vector<std::int64_t> block_out_channels = {32, 64, 128, 256};  ///< finest first
  std::int64_t layers_per_block = 2;  ///< residual blocks per resolution of the encoder
  std::int64_t norm_num_groups = 8;
  double dropout = 0.0;  ///< in the residual blocks

  void visit(config::Visitor& v);
  /// Throws ConfigError on values that do not go together.
  void check() const;
};

struct SegmentationUNetOptions : SegmentationUNetShape {
  std::int64_t num_classes = 2;
};

/// U-Net (Ronneberger et al., 2015) of residual blocks with group normalisation, so that its answer
/// for an image depends on no other image: diffusers' UNet2DModel of DownBlock2D and UpBlock2D
/// without its time embedding and attention, with the same key names.
class SegmentationUNetImpl : public torch::nn::Module {
 public:
  /// Throws ConfigError on options that cannot be built.
  explicit SegmentationUNetImpl(SegmentationUNetOptions options = {});
  ~SegmentationUNetImpl() override;

  /// x [B, in_channels, H, W], H and W at least 2^(levels − 1), to logits [B, num_classes, H, W].
  torch::Tensor forward(const torch::Tensor& x);
  const SegmentationUNetOptions& options() const { return options_; }

 private:
  struct Layers;
  SegmentationUNetOptions options_;
  std::unique_ptr<Layers> layers_;
};
TORCH_MODULE(SegmentationUNet);

}  // namespace echopath::models
