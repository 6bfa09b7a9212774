#include "models/unet_2d_layers.hpp"

#include "echopath/nn/attention.hpp"
#include "echopath/nn/transformer.hpp"

namespace echopath::models {

namespace {

nn::BlockLayers make_layers(const Block2DOptions& options) {
  nn::BlockLayers layers;
  for (const std::int64_t in : options.in_channels) {
    layers.resnets.push_back(make_resnet(options, in));
    if (auto attention = make_attention(options)) layers.attentions.push_back(attention);
  }
  return layers;
}

}  // namespace

std::shared_ptr<nn::FeatureLayer> make_resnet(const Block2DOptions& options,
                                              std::int64_t in_channels, nn::Resampling resampling) {
  nn::ResnetBlockOptions resnet;
  resnet.in_channels = in_channels;
  resnet.out_channels = options.out_channels;
  resnet.temb_channels = options.temb_channels;
  resnet.groups = options.groups;
  resnet.eps = options.eps;
  resnet.dropout = options.dropout;
  resnet.output_scale_factor = options.output_scale_factor;
  resnet.resampling = resampling;
  return std::make_shared<nn::ResnetBlock2D>(resnet);
}

std::shared_ptr<nn::FeatureLayer> make_attention(const Block2DOptions& options) {
  if (options.type.rfind("CrossAttn", 0) == 0) {
    nn::TransformerOptions transformer;
    transformer.channels = options.out_channels;
    transformer.heads = options.attention_heads;
    transformer.cross_attention_dim = options.cross_attention_dim;
    transformer.layers = options.transformer_layers;
    transformer.groups = options.groups;
    transformer.use_linear_projection = options.use_linear_projection;
    return std::make_shared<nn::Transformer2D>(transformer);
  }
  if (options.type.rfind("Attn", 0) == 0) {
    return std::make_shared<nn::AttentionBlock>(
        nn::AttentionBlockOptions{options.out_channels, options.attention_head_dim, options.groups,
                                  options.eps, options.output_scale_factor});
  }
  return nullptr;
}

std::shared_ptr<nn::DownBlock> make_down_block(const Block2DOptions& options) {
  nn::BlockLayers layers = make_layers(options);
  if (options.resample && options.resample_with_resnet) {
    layers.sampler = make_resnet(options, options.out_channels, nn::Resampling::kDown);
  } else if (options.resample) {
    layers.sampler =
        std::make_shared<nn::Downsample2D>(options.out_channels, options.downsample_padding);
  }
  return std::make_shared<nn::DownBlock>(std::move(layers));
}

std::shared_ptr<nn::UpBlock> make_up_block(const Block2DOptions& options) {
  nn::BlockLayers layers = make_layers(options);
  if (options.resample && options.resample_with_resnet) {
    layers.sampler = make_resnet(options, options.out_channels, nn::Resampling::kUp);
  } else if (options.resample) {
    layers.sampler = std::make_shared<nn::Upsample2D>(options.out_channels);
  }
  return std::make_shared<nn::UpBlock>(std::move(layers));
}

}  // namespace echopath::models
