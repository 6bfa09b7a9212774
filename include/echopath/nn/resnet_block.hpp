#pragma once

#include <cstdint>
#include <memory>

#include "echopath/nn/feature_layer.hpp"
#include "echopath/nn/layers.hpp"

namespace echopath::nn {

enum class Resampling { kNone, kDown, kUp };

struct ResnetBlockOptions {
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t temb_channels = 0;  ///< 0: no time embedding
  std::int64_t groups = 32;
  double eps = 1e-6;
  double dropout = 0.0;
  double output_scale_factor = 1.0;           ///< the sum of both branches is divided by it
  Resampling resampling = Resampling::kNone;  ///< average-pool 2 or nearest ×2 on both branches
};

/// norm1 → SiLU → (resample) → conv1 → + time_emb_proj → norm2 → SiLU → conv2, plus the input
/// (diffusers' ResnetBlock2D).
class ResnetBlock2D : public FeatureLayer {
 public:
  explicit ResnetBlock2D(const ResnetBlockOptions& options);
  torch::Tensor forward(const torch::Tensor& x, const StepContext& step) override;

 private:
  ResnetBlockOptions options_;
  std::shared_ptr<GroupNorm> norm1_;
  std::shared_ptr<Conv2d> conv1_;
  std::shared_ptr<Linear> time_emb_proj_;
  std::shared_ptr<GroupNorm> norm2_;
  std::shared_ptr<Conv2d> conv2_;
  std::shared_ptr<Conv2d> conv_shortcut_;
};

/// 3×3 convolution of stride 2. `padding` 0 pads by one at the right and bottom only, as the VAE
/// does.
class Downsample2D : public FeatureLayer {
 public:
  Downsample2D(std::int64_t channels, std::int64_t padding);
  torch::Tensor forward(const torch::Tensor& x, const StepContext& step) override;

 private:
  std::int64_t padding_;
  std::shared_ptr<Conv2d> conv_;
};

/// Nearest ×2, or up to the step's upsample_size, then a 3×3 convolution.
class Upsample2D : public FeatureLayer {
 public:
  explicit Upsample2D(std::int64_t channels);
  torch::Tensor forward(const torch::Tensor& x, const StepContext& step) override;

 private:
  std::shared_ptr<Conv2d> conv_;
};

}  // namespace echopath::nn
