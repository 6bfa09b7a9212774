#include "echopath/models/unet_2d.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/nn/attention.hpp"
#include "echopath/nn/time_embedding.hpp"
#include "echopath/nn/unet.hpp"
#include "models/config_checks.hpp"
#include "models/unet_2d_layers.hpp"

namespace echopath::models {

namespace {

constexpr const char* kName = "UNet2DModel";

class Builder {
 public:
  explicit Builder(const UNet2DConfig& config)
      : config_(config), blocks_(config.block_out_channels.size()) {}

  nn::UNetParts build() const {
    const auto& channels = config_.block_out_channels;
    nn::UNetParts parts;
    parts.conv_in =
        std::make_shared<nn::Conv2d>(nn::Conv2dOptions{config_.in_channels, channels.front()});
    for (std::size_t i = 0; i < blocks_; ++i) parts.down_blocks.push_back(down_block(i));
    parts.mid_block = mid_block();
    for (std::size_t i = 0; i < blocks_; ++i) parts.up_blocks.push_back(up_block(i));
    parts.conv_norm_out = std::make_shared<nn::GroupNorm>(config_.norm_num_groups, channels.front(),
                                                          config_.norm_eps);
    parts.conv_out =
        std::make_shared<nn::Conv2d>(nn::Conv2dOptions{channels.front(), config_.out_channels});
    return parts;
  }

 private:
  Block2DOptions common(const std::string& type, std::size_t level) const {
    Block2DOptions block;
    block.type = type;
    block.out_channels = config_.block_out_channels[level];
    block.temb_channels = config_.block_out_channels[0] * 4;
    block.groups = config_.norm_num_groups;
    block.eps = config_.norm_eps;
    block.dropout = config_.dropout;
    block.attention_head_dim = config_.attention_head_dim.value_or(block.out_channels);
    block.downsample_padding = config_.downsample_padding;
    return block;
  }

  std::shared_ptr<nn::DownBlock> down_block(std::size_t i) const {
    Block2DOptions block = common(config_.down_block_types[i], i);
    const auto& channels = config_.block_out_channels;
    block.in_channels.assign(static_cast<std::size_t>(config_.layers_per_block), channels[i]);
    block.in_channels[0] = channels[i == 0 ? 0 : i - 1];
    block.resample = i + 1 < blocks_;
    // A DownBlock2D has a plain convolution whatever downsample_type says.
    block.resample_with_resnet =
        config_.downsample_type == "resnet" && block.type == "AttnDownBlock2D";
    return make_down_block(block);
  }

  std::shared_ptr<nn::MidBlock> mid_block() const {
    Block2DOptions block = common("Attn", blocks_ - 1);
    block.output_scale_factor = config_.mid_block_scale_factor;
    nn::BlockLayers layers;
    layers.resnets = {make_resnet(block, block.out_channels),
                      make_resnet(block, block.out_channels)};
    if (config_.add_attention) {
      block.groups = config_.attn_norm_num_groups.value_or(config_.norm_num_groups);
      layers.attentions = {make_attention(block)};
    }
    return std::make_shared<nn::MidBlock>(std::move(layers));
  }

  std::shared_ptr<nn::UpBlock> up_block(std::size_t i) const {
    Block2DOptions block = common(config_.up_block_types[i], blocks_ - 1 - i);
    block.in_channels =
        nn::up_block_channels(config_.block_out_channels, static_cast<std::int64_t>(i),
                              config_.layers_per_block + 1)
            .in;
    block.resample = i + 1 < blocks_;
    block.resample_with_resnet = config_.upsample_type == "resnet" && block.type == "AttnUpBlock2D";
    return make_up_block(block);
  }

  const UNet2DConfig& config_;
  std::size_t blocks_;
};

}  // namespace

void UNet2DConfig::visit(config::Visitor& v) {
  v.optional_integer("sample_size", sample_size, {1, 65536}, "size of the latents, unpadded");
  v.integer("in_channels", in_channels, {1, 4096}, "channels of the sample");
  v.integer("out_channels", out_channels, {1, 4096}, "channels of the prediction");
  v.fixed("center_input_sample", false, "whether the input is mapped from [0, 1] to [-1, 1]");
  v.fixed("time_embedding_type", "positional", "time embedding");
  v.fixed("time_embedding_dim", nullptr, "width of the time embedding");
  v.integer("freq_shift", freq_shift, {0, 1}, "shift of the time embedding's frequencies");
  v.boolean("flip_sin_to_cos", flip_sin_to_cos, "cosines first in the time embedding");
  v.texts("down_block_types", down_block_types,
          "DownBlock2D or AttnDownBlock2D, finest resolution first");
  v.fixed("mid_block_type", "UNetMidBlock2D", "block at the lowest resolution");
  v.texts("up_block_types", up_block_types, "UpBlock2D or AttnUpBlock2D, lowest resolution first");
  v.integers("block_out_channels", block_out_channels, {1, 8192},
             "channels at each resolution, finest first");
  v.integer("layers_per_block", layers_per_block, {1, 16}, "resnets per encoder block");
  v.real("mid_block_scale_factor", mid_block_scale_factor, {1e-3, 1e3},
         "the mid block's residual sums are divided by it");
  v.integer("downsample_padding", downsample_padding, {0, 1},
            "padding of the convolutional downsamplers");
  v.choice("downsample_type", downsample_type, {"conv", "resnet"},
           "downsampler of AttnDownBlock2D");
  v.choice("upsample_type", upsample_type, {"conv", "resnet"}, "upsampler of AttnUpBlock2D");
  v.real("dropout", dropout, {0.0, 1.0}, "dropout in the resnets");
  v.fixed("act_fn", "silu", "activation");
  v.optional_integer("attention_head_dim", attention_head_dim, {1, 8192},
                     "dimension of a head (null: one head)");
  v.integer("norm_num_groups", norm_num_groups, {1, 1024}, "groups of the GroupNorms");
  v.optional_integer("attn_norm_num_groups", attn_norm_num_groups, {1, 1024},
                     "groups of the mid block's attention norm (null: norm_num_groups)");
  v.real("norm_eps", norm_eps, {0.0, 1.0}, "added to the variance in the GroupNorms");
  v.fixed("resnet_time_scale_shift", "default", "how the time embedding enters the resnets");
  v.boolean("add_attention", add_attention, "self-attention in the mid block");
  v.fixed("class_embed_type", nullptr, "class embedding added to the time embedding");
  v.fixed("num_class_embeds", nullptr, "class embedding added to the time embedding");
  v.ignored("num_train_timesteps", nullptr, "only for learned time embeddings");
}

void UNet2DConfig::check() const {
  const std::size_t blocks = block_out_channels.size();
  if (blocks == 0) {
    throw ConfigError(std::string(kName) + ": block_out_channels must not be empty");
  }
  require_block_types(kName, "down_block_types", down_block_types,
                      {"DownBlock2D", "AttnDownBlock2D"}, blocks);
  require_block_types(kName, "up_block_types", up_block_types, {"UpBlock2D", "AttnUpBlock2D"},
                      blocks);
  require_divisible(kName, "block_out_channels", block_out_channels, norm_num_groups,
                    "norm_num_groups");
  if (attn_norm_num_groups) {
    require_divisible(kName, "block_out_channels", {block_out_channels.back()},
                      *attn_norm_num_groups, "attn_norm_num_groups");
  }
  if (!attention_head_dim) return;
  for (std::size_t i = 0; i < blocks; ++i) {
    const bool attends = down_block_types[i] == "AttnDownBlock2D" ||
                         up_block_types[blocks - 1 - i] == "AttnUpBlock2D" ||
                         (i + 1 == blocks && add_attention);
    if (attends) {
      require_divisible(kName, "block_out_channels", {block_out_channels[i]}, *attention_head_dim,
                        "attention_head_dim");
    }
  }
}

struct UNet2DModelImpl::Layers {
  std::shared_ptr<nn::TimestepEmbedding> time_embedding;
  nn::UNetParts parts;
};

UNet2DModelImpl::UNet2DModelImpl(UNet2DConfig config)
    : config_(std::move(config)), layers_(std::make_unique<Layers>()) {
  config_.check();
  const std::int64_t channels = config_.block_out_channels[0];
  layers_->time_embedding = register_module(
      "time_embedding", std::make_shared<nn::TimestepEmbedding>(channels, channels * 4));
  layers_->parts = Builder(config_).build();
  layers_->parts.register_in(*this);
}

UNet2DModelImpl::~UNet2DModelImpl() = default;

torch::Tensor UNet2DModelImpl::embed_time(const torch::Tensor& timestep, at::ScalarType dtype) {
  const torch::Tensor sinusoid = nn::sinusoidal_embedding(
      timestep, {config_.block_out_channels[0], config_.flip_sin_to_cos, config_.freq_shift});
  return at::silu(layers_->time_embedding->forward(sinusoid.to(dtype)));
}

torch::Tensor UNet2DModelImpl::run(const torch::Tensor& sample, const nn::Condition& time) {
  require_spatial_multiple(kName, sample.size(2), sample.size(3),
                           std::int64_t{1} << (config_.block_out_channels.size() - 1));
  nn::StepContext step;
  step.activated_temb = time;
  return layers_->parts.forward(sample.contiguous(at::MemoryFormat::ChannelsLast), step);
}

torch::Tensor UNet2DModelImpl::forward(const torch::Tensor& sample, const torch::Tensor& timestep) {
  require_one_for_each_sample(kName, "timestep", timestep.size(0), sample.size(0));
  return run(sample, embed_time(timestep, sample.scalar_type()));
}

nn::Condition UNet2DModelImpl::prepare_time(const torch::Tensor& timestep) {
  const torch::NoGradGuard no_grad;
  return nn::Condition::lasting(
      embed_time(timestep, layers_->parts.conv_in->weight().scalar_type()));
}

torch::Tensor UNet2DModelImpl::forward_prepared(const torch::Tensor& sample,
                                                const nn::Condition& time) {
  const torch::NoGradGuard no_grad;
  return run(sample, time);
}

}  // namespace echopath::models
