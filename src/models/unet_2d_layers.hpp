#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "echopath/nn/resnet_block.hpp"
#include "echopath/nn/unet.hpp"

namespace echopath::models {

/// What the 2-D UNets' blocks of one resolution are made of.
struct Block2DOptions {
  std::string type;  ///< [Down|Up|AttnDown|AttnUp|CrossAttnDown|CrossAttnUp]Block2D
  std::vector<std::int64_t> in_channels;  ///< of each resnet
  std::int64_t out_channels = 0;
  std::int64_t temb_channels = 0;
  std::int64_t groups = 32;
  double eps = 1e-5;
  double dropout = 0.0;
  double output_scale_factor = 1.0;
  std::int64_t attention_head_dim = 8;  ///< true head dimension of Attn blocks
  std::int64_t attention_heads = 8;     ///< heads of CrossAttn blocks
  std::int64_t cross_attention_dim = 0;
  std::int64_t transformer_layers = 1;
  bool use_linear_projection = false;
  bool resample = false;  ///< whether a down- or upsampler follows
  bool resample_with_resnet = false;
  std::int64_t downsample_padding = 1;
};

std::shared_ptr<nn::FeatureLayer> make_resnet(const Block2DOptions& options,
                                              std::int64_t in_channels,
                                              nn::Resampling resampling = nn::Resampling::kNone);
/// The self- or cross-attention that follows each resnet; null where the type has none.
std::shared_ptr<nn::FeatureLayer> make_attention(const Block2DOptions& options);

std::shared_ptr<nn::DownBlock> make_down_block(const Block2DOptions& options);
std::shared_ptr<nn::UpBlock> make_up_block(const Block2DOptions& options);

}  // namespace echopath::models
