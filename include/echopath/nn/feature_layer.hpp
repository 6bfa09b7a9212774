#pragma once

#include <torch/torch.h>

#include <array>
#include <cstdint>

#include "echopath/nn/condition.hpp"

namespace echopath::nn {

/// What every layer of a UNet sees besides its feature map, for B samples of T frames.
struct StepContext {
  /// SiLU of the time embedding, [B, D]; undefined in a network without one.
  Condition activated_temb;
  /// Context of cross-attention, [B, 1, L, D] or, one per frame, [B, T, L, D]; undefined without
  /// conditioning.
  Condition context;
  std::int64_t frames = 1;  ///< T
  /// 0…T−1, [T]; undefined in a network without temporal transformers.
  Condition frame_numbers;
  /// Height and width that an upsampler must reach: those of the skip connection it meets, which
  /// are odd where the encoder rounded; 0: twice the input's.
  std::array<std::int64_t, 2> upsample_size = {0, 0};
  /// [B, T], true where a frame is a still image and temporal layers must not mix it; undefined:
  /// none.
  torch::Tensor image_only_indicator;
  /// Compatibility::context_mixup_0_27 of the models room.
  bool context_mixup = false;
};

/// A layer that maps feature maps [B·T, C, H, W] (frames of a sample adjacent, channels-last in
/// memory) to feature maps.
class FeatureLayer : public torch::nn::Module {
 public:
  virtual torch::Tensor forward(const torch::Tensor& x, const StepContext& step) = 0;
};

/// [N, C, H, W] in channels-last memory to tokens [N, H·W, C], a view.
torch::Tensor tokens_of(const torch::Tensor& feature_map);
/// Tokens [N, H·W, C] back to [N, C, H, W] in channels-last memory, a view.
torch::Tensor feature_map_of(const torch::Tensor& tokens, std::int64_t height, std::int64_t width);

/// A per-sample row [B, C] repeated for the frames of each sample: [B·T, C].
torch::Tensor per_frame(const torch::Tensor& row, std::int64_t frames);

}  // namespace echopath::nn
