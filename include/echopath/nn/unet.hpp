#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "echopath/nn/feature_layer.hpp"
#include "echopath/nn/layers.hpp"

namespace echopath::nn {

/// The layers of one resolution of an encoder or decoder.
struct BlockLayers {
  std::vector<std::shared_ptr<FeatureLayer>> resnets;
  /// Empty, or one behind each resnet.
  std::vector<std::shared_ptr<FeatureLayer>> attentions;
  std::shared_ptr<FeatureLayer> sampler;  ///< down- or upsampler; null at the last resolution
};

/// One encoder block: every layer's output is a skip connection. Keys `resnets`, `attentions`,
/// `downsamplers.0`.
class DownBlock : public torch::nn::Module {
 public:
  explicit DownBlock(BlockLayers layers);
  /// Appends the skip connections to `skips` where it is not null.
  torch::Tensor forward(torch::Tensor x, const StepContext& step,
                        std::vector<torch::Tensor>* skips);

 private:
  BlockLayers layers_;
};

/// The block at the lowest resolution: resnet, then attention and resnet in turn.
class MidBlock : public torch::nn::Module {
 public:
  /// `layers.attentions` is empty or one shorter than `layers.resnets`.
  explicit MidBlock(BlockLayers layers);
  torch::Tensor forward(torch::Tensor x, const StepContext& step);

 private:
  BlockLayers layers_;
};

/// One decoder block. Keys `resnets`, `attentions`, `upsamplers.0`.
class UpBlock : public torch::nn::Module {
 public:
  explicit UpBlock(BlockLayers layers);
  /// Takes one skip connection off the end of `skips` for each resnet, where it is not null.
  torch::Tensor forward(torch::Tensor x, const StepContext& step,
                        std::vector<torch::Tensor>* skips);

 private:
  BlockLayers layers_;
};

/// The channels that go in and out of the resnets of a UNet's decoder block.
struct UpBlockChannels {
  std::vector<std::int64_t> in;  ///< with the skip connection's channels
  std::int64_t out = 0;
};

/// Channels of decoder block `index` (0 is the lowest resolution) of a UNet whose encoder has
/// `block_out_channels`, with `resnets` resnets.
UpBlockChannels up_block_channels(const std::vector<std::int64_t>& block_out_channels,
                                  std::int64_t index, std::int64_t resnets);

/// The blocks of a UNet, lowest decoder resolution first.
struct UNetParts {
  std::shared_ptr<Conv2d> conv_in;
  std::vector<std::shared_ptr<DownBlock>> down_blocks;
  std::shared_ptr<MidBlock> mid_block;
  std::vector<std::shared_ptr<UpBlock>> up_blocks;
  std::shared_ptr<GroupNorm> conv_norm_out;
  std::shared_ptr<Conv2d> conv_out;

  /// Registers all parts in `owner` under diffusers' names.
  void register_in(torch::nn::Module& owner) const;
  /// conv_in → encoder → mid → decoder with skip connections → norm, SiLU, conv_out, on
  /// [B·T, C, H, W].
  torch::Tensor forward(const torch::Tensor& x, const StepContext& step) const;
  /// The same from the output of conv_in on.
  torch::Tensor forward_from_conv_in(torch::Tensor h, const StepContext& step) const;
};

}  // namespace echopath::nn
