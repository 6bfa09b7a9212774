#include "echopath/models/unet_2d_condition.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/nn/time_embedding.hpp"
#include "echopath/nn/transformer.hpp"
#include "echopath/nn/unet.hpp"
#include "models/config_checks.hpp"
#include "models/unet_2d_layers.hpp"

namespace echopath::models {

namespace {

constexpr const char* kName = "UNet2DConditionModel";

/// The lists of the config with one entry for each block.
struct PerBlock {
  std::vector<std::int64_t> layers;
  std::vector<std::int64_t> cross_attention_dim;
  std::vector<std::int64_t> transformer_layers;
  std::vector<std::int64_t> attention_head_dim;

  explicit PerBlock(const UNet2DConditionConfig& c) {
    const std::size_t blocks = c.block_out_channels.size();
    layers = per_block(kName, "layers_per_block", c.layers_per_block, blocks);
    cross_attention_dim = per_block(kName, "cross_attention_dim", c.cross_attention_dim, blocks);
    transformer_layers =
        per_block(kName, "transformer_layers_per_block", c.transformer_layers_per_block, blocks);
    attention_head_dim = per_block(kName, "attention_head_dim", c.attention_head_dim, blocks);
  }
};

bool is_cross(const std::string& type) {
  return type.rfind("CrossAttn", 0) == 0;
}
bool is_self(const std::string& type) {
  return type.rfind("Attn", 0) == 0;
}

/// Checks that the channels of block `i` split into the heads that its type asks for.
void check_heads(const std::string& type, std::int64_t channels, std::int64_t heads,
                 std::int64_t head_dim) {
  if (is_cross(type)) {
    require_divisible(kName, "block_out_channels", {channels}, heads, "attention_head_dim");
  }
  if (is_self(type)) {
    require_divisible(kName, "block_out_channels", {channels}, head_dim, "attention_head_dim");
  }
}

class Builder {
 public:
  explicit Builder(const UNet2DConditionConfig& config)
      : config_(config), lists_(config), blocks_(config.block_out_channels.size()) {}

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
    block.attention_head_dim = lists_.attention_head_dim[level];
    block.attention_heads = lists_.attention_head_dim[level];
    block.cross_attention_dim = lists_.cross_attention_dim[level];
    block.transformer_layers = lists_.transformer_layers[level];
    block.use_linear_projection = config_.use_linear_projection;
    block.downsample_padding = config_.downsample_padding;
    return block;
  }

  std::shared_ptr<nn::DownBlock> down_block(std::size_t i) const {
    Block2DOptions block = common(config_.down_block_types[i], i);
    const auto& channels = config_.block_out_channels;
    block.in_channels.assign(static_cast<std::size_t>(lists_.layers[i]), channels[i]);
    block.in_channels[0] = channels[i == 0 ? 0 : i - 1];
    block.resample = i + 1 < blocks_;
    return make_down_block(block);
  }

  std::shared_ptr<nn::MidBlock> mid_block() const {
    const bool cross = config_.mid_block_type == "UNetMidBlock2DCrossAttn";
    Block2DOptions block = common(cross ? "CrossAttn" : "", blocks_ - 1);
    block.output_scale_factor = config_.mid_block_scale_factor;
    nn::BlockLayers layers;
    layers.resnets = {make_resnet(block, block.out_channels)};
    if (cross) {
      layers.attentions = {make_attention(block)};
      layers.resnets.push_back(make_resnet(block, block.out_channels));
    }
    return std::make_shared<nn::MidBlock>(std::move(layers));
  }

  std::shared_ptr<nn::UpBlock> up_block(std::size_t i) const {
    const std::size_t level = blocks_ - 1 - i;
    Block2DOptions block = common(config_.up_block_types[i], level);
    // diffusers reverses every list for the decoder except the head dimensions of AttnUp blocks.
    block.attention_head_dim = lists_.attention_head_dim[i];
    block.in_channels =
        nn::up_block_channels(config_.block_out_channels, static_cast<std::int64_t>(i),
                              lists_.layers[level] + 1)
            .in;
    block.resample = i + 1 < blocks_;
    return make_up_block(block);
  }

  const UNet2DConditionConfig& config_;
  PerBlock lists_;
  std::size_t blocks_;
};

}  // namespace

void UNet2DConditionConfig::visit(config::Visitor& v) {
  v.optional_integer("sample_size", sample_size, {1, 65536}, "size of the latents, unpadded");
  v.integer("in_channels", in_channels, {1, 4096}, "channels of the sample");
  v.integer("out_channels", out_channels, {1, 4096}, "channels of the prediction");
  v.fixed("center_input_sample", false, "whether the input is mapped from [0, 1] to [-1, 1]");
  v.boolean("flip_sin_to_cos", flip_sin_to_cos, "cosines first in the time embedding");
  v.integer("freq_shift", freq_shift, {0, 1}, "shift of the time embedding's frequencies");
  v.texts("down_block_types", down_block_types,
          "DownBlock2D, AttnDownBlock2D or CrossAttnDownBlock2D, finest resolution first");
  v.choice("mid_block_type", mid_block_type, {"UNetMidBlock2DCrossAttn", "UNetMidBlock2D"},
           "block at the lowest resolution");
  v.texts("up_block_types", up_block_types,
          "UpBlock2D, AttnUpBlock2D or CrossAttnUpBlock2D, lowest resolution first");
  v.fixed("only_cross_attention", false, "transformer blocks without self-attention");
  v.integers("block_out_channels", block_out_channels, {1, 8192},
             "channels at each resolution, finest first");
  v.integer_or_list("layers_per_block", layers_per_block, {1, 16}, "resnets per encoder block");
  v.integer("downsample_padding", downsample_padding, {0, 1}, "padding of the downsamplers");
  v.real("mid_block_scale_factor", mid_block_scale_factor, {1e-3, 1e3},
         "the mid block's residual sums are divided by it");
  v.real("dropout", dropout, {0.0, 1.0}, "dropout in the resnets");
  v.fixed("act_fn", "silu", "activation");
  v.integer("norm_num_groups", norm_num_groups, {1, 1024}, "groups of every GroupNorm");
  v.real("norm_eps", norm_eps, {0.0, 1.0}, "added to the variance in the GroupNorms");
  v.integer_or_list("cross_attention_dim", cross_attention_dim, {1, 65536}, "width of the context");
  v.integer_or_list("transformer_layers_per_block", transformer_layers_per_block, {1, 64},
                    "transformer blocks per attention");
  v.fixed("reverse_transformer_layers_per_block", nullptr, "the decoder's transformer layers");
  v.fixed("encoder_hid_dim", nullptr, "projection of the context");
  v.fixed("encoder_hid_dim_type", nullptr, "projection of the context");
  v.integer_or_list("attention_head_dim", attention_head_dim, {1, 4096},
                    "number of heads in cross-attention blocks, head dimension in Attn blocks");
  v.fixed("num_attention_heads", nullptr, "diffusers refuses it; use attention_head_dim");
  v.fixed("dual_cross_attention", false, "two contexts");
  v.boolean("use_linear_projection", use_linear_projection,
            "linear layers around the transformers, not 1x1 convolutions");
  v.fixed("class_embed_type", nullptr, "class embedding added to the time embedding");
  v.fixed("addition_embed_type", nullptr, "embedding added to the time embedding");
  v.fixed("addition_time_embed_dim", nullptr, "width of the added time ids");
  v.fixed("num_class_embeds", nullptr, "class embedding added to the time embedding");
  v.ignored("upcast_attention", false, "attention is accumulated in float32 in any case");
  v.fixed("resnet_time_scale_shift", "default", "how the time embedding enters the resnets");
  v.fixed("resnet_skip_time_act", false, "no activation of the time embedding");
  v.fixed("resnet_out_scale_factor", 1.0, "scale of the residual sums");
  v.fixed("time_embedding_type", "positional", "time embedding");
  v.fixed("time_embedding_dim", nullptr, "width of the time embedding");
  v.fixed("time_embedding_act_fn", nullptr, "activation of the time embedding");
  v.fixed("timestep_post_act", nullptr, "activation behind the time embedding");
  v.fixed("time_cond_proj_dim", nullptr, "condition added to the timestep");
  v.fixed("conv_in_kernel", 3, "kernel of the first convolution");
  v.fixed("conv_out_kernel", 3, "kernel of the last convolution");
  v.fixed("projection_class_embeddings_input_dim", nullptr, "class embedding projection");
  v.fixed("attention_type", "default", "kind of transformer block");
  v.fixed("class_embeddings_concat", false, "class embedding beside the time embedding");
  v.ignored("mid_block_only_cross_attention", nullptr, "has no effect on the mid blocks supported");
  v.fixed("cross_attention_norm", nullptr, "norm of the context");
  v.ignored("addition_embed_type_num_heads", 64, "heads of an embedding that is not supported");
}

void UNet2DConditionConfig::check() const {
  const std::size_t blocks = block_out_channels.size();
  if (blocks == 0) {
    throw ConfigError(std::string(kName) + ": block_out_channels must not be empty");
  }
  require_block_types(kName, "down_block_types", down_block_types,
                      {"DownBlock2D", "AttnDownBlock2D", "CrossAttnDownBlock2D"}, blocks);
  require_block_types(kName, "up_block_types", up_block_types,
                      {"UpBlock2D", "AttnUpBlock2D", "CrossAttnUpBlock2D"}, blocks);
  require_divisible(kName, "block_out_channels", block_out_channels, norm_num_groups,
                    "norm_num_groups");
  const PerBlock lists(*this);
  for (std::size_t i = 0; i < blocks; ++i) {
    const std::size_t level = blocks - 1 - i;
    check_heads(down_block_types[i], block_out_channels[i], lists.attention_head_dim[i],
                lists.attention_head_dim[i]);
    check_heads(up_block_types[i], block_out_channels[level], lists.attention_head_dim[level],
                lists.attention_head_dim[i]);
  }
  if (mid_block_type == "UNetMidBlock2DCrossAttn") {
    check_heads("CrossAttn", block_out_channels.back(), lists.attention_head_dim.back(), 1);
  }
}

struct UNet2DConditionModelImpl::Layers {
  std::shared_ptr<nn::TimestepEmbedding> time_embedding;
  nn::UNetParts parts;
};

UNet2DConditionModelImpl::UNet2DConditionModelImpl(UNet2DConditionConfig config)
    : config_(std::move(config)), layers_(std::make_unique<Layers>()) {
  config_.check();
  const std::int64_t channels = config_.block_out_channels[0];
  layers_->time_embedding = register_module(
      "time_embedding", std::make_shared<nn::TimestepEmbedding>(channels, channels * 4));
  layers_->parts = Builder(config_).build();
  layers_->parts.register_in(*this);
}

UNet2DConditionModelImpl::~UNet2DConditionModelImpl() = default;

torch::Tensor UNet2DConditionModelImpl::embed_time(const torch::Tensor& timestep,
                                                   at::ScalarType dtype) {
  const torch::Tensor sinusoid = nn::sinusoidal_embedding(
      timestep, {config_.block_out_channels[0], config_.flip_sin_to_cos, config_.freq_shift});
  return at::silu(layers_->time_embedding->forward(sinusoid.to(dtype)));
}

torch::Tensor UNet2DConditionModelImpl::run(const torch::Tensor& sample, const nn::Condition& time,
                                            const nn::Condition& context) {
  // diffusers' AttnUpBlock2D only doubles; the other decoder blocks meet their skip connection.
  const auto& types = config_.up_block_types;
  if (std::find(types.begin(), types.end() - 1, "AttnUpBlock2D") != types.end() - 1) {
    require_spatial_multiple(kName, sample.size(2), sample.size(3),
                             std::int64_t{1} << (config_.block_out_channels.size() - 1));
  }
  nn::StepContext step;
  step.activated_temb = time;
  step.context = context;
  return layers_->parts.forward(sample.contiguous(at::MemoryFormat::ChannelsLast), step);
}

torch::Tensor UNet2DConditionModelImpl::forward(const torch::Tensor& sample,
                                                const torch::Tensor& timestep,
                                                const torch::Tensor& encoder_hidden_states) {
  require_one_for_each_sample(kName, "timestep", timestep.size(0), sample.size(0));
  const auto dtype = sample.scalar_type();
  return run(sample, embed_time(timestep, dtype), encoder_hidden_states.to(dtype).unsqueeze(1));
}

nn::Condition UNet2DConditionModelImpl::prepare_time(const torch::Tensor& timestep) {
  const torch::NoGradGuard no_grad;
  return nn::Condition::lasting(
      embed_time(timestep, layers_->parts.conv_in->weight().scalar_type()));
}

nn::Condition UNet2DConditionModelImpl::prepare_context(
    const torch::Tensor& encoder_hidden_states) {
  const auto dtype = layers_->parts.conv_in->weight().scalar_type();
  return nn::Condition::lasting(encoder_hidden_states.detach().to(dtype).unsqueeze(1));
}

torch::Tensor UNet2DConditionModelImpl::forward_prepared(const torch::Tensor& sample,
                                                         const nn::Condition& time,
                                                         const nn::Condition& context) {
  const torch::NoGradGuard no_grad;
  return run(sample, time, context);
}

}  // namespace echopath::models
