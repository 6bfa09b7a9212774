#include "echopath/models/unet_spatio_temporal.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/nn/resnet_block.hpp"
#include "echopath/nn/spatio_temporal.hpp"
#include "echopath/nn/time_embedding.hpp"
#include "echopath/nn/unet.hpp"
#include "models/config_checks.hpp"

namespace echopath::models {

namespace {

constexpr const char* kName = "UNetSpatioTemporalConditionModel";

/// The lists of the config with one entry for each block.
struct PerBlock {
  std::vector<std::int64_t> layers;
  std::vector<std::int64_t> cross_attention_dim;
  std::vector<std::int64_t> transformer_layers;
  std::vector<std::int64_t> heads;

  explicit PerBlock(const UNetSpatioTemporalConfig& c) {
    const std::size_t blocks = c.block_out_channels.size();
    layers = per_block(kName, "layers_per_block", c.layers_per_block, blocks);
    cross_attention_dim = per_block(kName, "cross_attention_dim", c.cross_attention_dim, blocks);
    transformer_layers =
        per_block(kName, "transformer_layers_per_block", c.transformer_layers_per_block, blocks);
    heads = per_block(kName, "num_attention_heads", c.num_attention_heads, blocks);
  }
};

class Builder {
 public:
  explicit Builder(const UNetSpatioTemporalConfig& config)
      : config_(config), lists_(config), blocks_(config.block_out_channels.size()) {}

  nn::UNetParts build() const {
    const auto& channels = config_.block_out_channels;
    nn::UNetParts parts;
    parts.conv_in =
        std::make_shared<nn::Conv2d>(nn::Conv2dOptions{config_.in_channels, channels.front()});
    for (std::size_t i = 0; i < blocks_; ++i) parts.down_blocks.push_back(down_block(i));
    parts.mid_block = mid_block();
    for (std::size_t i = 0; i < blocks_; ++i) parts.up_blocks.push_back(up_block(i));
    parts.conv_norm_out =
        std::make_shared<nn::GroupNorm>(config_.norm_num_groups, channels.front(), 1e-5);
    parts.conv_out =
        std::make_shared<nn::Conv2d>(nn::Conv2dOptions{channels.front(), config_.out_channels});
    return parts;
  }

 private:
  std::shared_ptr<nn::FeatureLayer> resnet(std::int64_t in, std::int64_t out, double eps) const {
    return std::make_shared<nn::SpatioTemporalResBlock>(nn::SpatioTemporalResBlockOptions{
        in, out, config_.block_out_channels[0] * 4, eps, config_.norm_num_groups});
  }

  std::shared_ptr<nn::FeatureLayer> attention(std::size_t level) const {
    nn::TransformerOptions options;
    options.channels = config_.block_out_channels[level];
    options.heads = lists_.heads[level];
    options.cross_attention_dim = lists_.cross_attention_dim[level];
    options.layers = lists_.transformer_layers[level];
    options.groups = config_.norm_num_groups;
    return std::make_shared<nn::TransformerSpatioTemporal>(options);
  }

  std::shared_ptr<nn::DownBlock> down_block(std::size_t i) const {
    const auto& channels = config_.block_out_channels;
    const bool attends = config_.down_block_types[i] == "CrossAttnDownBlockSpatioTemporal";
    nn::BlockLayers layers;
    for (std::int64_t j = 0; j < lists_.layers[i]; ++j) {
      const std::int64_t in = channels[j > 0 || i == 0 ? i : i - 1];
      layers.resnets.push_back(resnet(in, channels[i], attends ? 1e-6 : 1e-5));
      if (attends) layers.attentions.push_back(attention(i));
    }
    if (i + 1 < blocks_) layers.sampler = std::make_shared<nn::Downsample2D>(channels[i], 1);
    return std::make_shared<nn::DownBlock>(std::move(layers));
  }

  std::shared_ptr<nn::MidBlock> mid_block() const {
    const std::int64_t channels = config_.block_out_channels.back();
    nn::BlockLayers layers;
    layers.resnets = {resnet(channels, channels, 1e-5), resnet(channels, channels, 1e-5)};
    layers.attentions = {attention(blocks_ - 1)};
    return std::make_shared<nn::MidBlock>(std::move(layers));
  }

  std::shared_ptr<nn::UpBlock> up_block(std::size_t i) const {
    const std::size_t level = blocks_ - 1 - i;
    const bool attends = config_.up_block_types[i] == "CrossAttnUpBlockSpatioTemporal";
    const nn::UpBlockChannels channels = nn::up_block_channels(
        config_.block_out_channels, static_cast<std::int64_t>(i), lists_.layers[level] + 1);
    nn::BlockLayers layers;
    for (const std::int64_t in : channels.in) {
      layers.resnets.push_back(resnet(in, channels.out, 1e-6));
      if (attends) layers.attentions.push_back(attention(level));
    }
    if (i + 1 < blocks_) layers.sampler = std::make_shared<nn::Upsample2D>(channels.out);
    return std::make_shared<nn::UpBlock>(std::move(layers));
  }

  const UNetSpatioTemporalConfig& config_;
  PerBlock lists_;
  std::size_t blocks_;
};

}  // namespace

void UNetSpatioTemporalConfig::visit(config::Visitor& v) {
  v.optional_integer("sample_size", sample_size, {1, 65536}, "size of the latents, unpadded");
  v.integer("in_channels", in_channels, {1, 4096},
            "channels of the sample: noisy and reference latents");
  v.integer("out_channels", out_channels, {1, 4096}, "channels of the prediction");
  v.texts("down_block_types", down_block_types,
          "DownBlockSpatioTemporal or CrossAttnDownBlockSpatioTemporal, finest resolution first");
  v.texts("up_block_types", up_block_types,
          "UpBlockSpatioTemporal or CrossAttnUpBlockSpatioTemporal, lowest resolution first");
  v.integers("block_out_channels", block_out_channels, {1, 8192},
             "channels at each resolution, finest first");
  v.integer("addition_time_embed_dim", addition_time_embed_dim, {1, 65536},
            "sinusoid width of each added time id (1 makes the ids without effect)");
  v.integer("projection_class_embeddings_input_dim", projection_class_embeddings_input_dim,
            {1, 65536}, "addition_time_embed_dim times the number of added time ids");
  v.integer_or_list("layers_per_block", layers_per_block, {1, 16}, "resnets per encoder block");
  v.integer(
      "norm_num_groups", norm_num_groups, {1, 1024},
      "groups of every GroupNorm; 4 channels and more in each keep what is constant over a frame");
  v.integer_or_list("cross_attention_dim", cross_attention_dim, {1, 65536}, "width of the context");
  v.integer_or_list("transformer_layers_per_block", transformer_layers_per_block, {1, 64},
                    "transformer blocks per attention");
  v.integer_or_list("num_attention_heads", num_attention_heads, {1, 4096},
                    "attention heads at each resolution");
  v.integer("num_frames", num_frames, {1, 65536}, "frames of a training clip");
}

void UNetSpatioTemporalConfig::check() const {
  const std::size_t blocks = block_out_channels.size();
  if (blocks == 0) {
    throw ConfigError(std::string(kName) + ": block_out_channels must not be empty");
  }
  require_block_types(kName, "down_block_types", down_block_types,
                      {"DownBlockSpatioTemporal", "CrossAttnDownBlockSpatioTemporal"}, blocks);
  require_block_types(kName, "up_block_types", up_block_types,
                      {"UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"}, blocks);
  require_divisible(kName, "block_out_channels", block_out_channels, norm_num_groups,
                    "norm_num_groups");
  const PerBlock lists(*this);
  for (std::size_t i = 0; i < blocks; ++i) {
    require_divisible(kName, "block_out_channels", {block_out_channels[i]}, lists.heads[i],
                      "num_attention_heads");
  }
  if (projection_class_embeddings_input_dim % addition_time_embed_dim != 0) {
    throw ConfigError(std::string(kName) +
                      ": projection_class_embeddings_input_dim must be a multiple of "
                      "addition_time_embed_dim");
  }
}

struct UNetSpatioTemporalConditionModelImpl::Layers {
  std::shared_ptr<nn::TimestepEmbedding> time_embedding;
  std::shared_ptr<nn::TimestepEmbedding> add_embedding;
  nn::UNetParts parts;
};

UNetSpatioTemporalConditionModelImpl::UNetSpatioTemporalConditionModelImpl(
    UNetSpatioTemporalConfig config, Compatibility compatibility)
    : config_(std::move(config)),
      compatibility_(compatibility),
      layers_(std::make_unique<Layers>()) {
  config_.check();
  const std::int64_t channels = config_.block_out_channels[0];
  layers_->time_embedding = register_module(
      "time_embedding", std::make_shared<nn::TimestepEmbedding>(channels, channels * 4));
  layers_->add_embedding = register_module(
      "add_embedding", std::make_shared<nn::TimestepEmbedding>(
                           config_.projection_class_embeddings_input_dim, channels * 4));
  layers_->parts = Builder(config_).build();
  layers_->parts.register_in(*this);
}

UNetSpatioTemporalConditionModelImpl::~UNetSpatioTemporalConditionModelImpl() = default;

torch::Tensor UNetSpatioTemporalConditionModelImpl::embed_time(const torch::Tensor& timestep,
                                                               const torch::Tensor& added_time_ids,
                                                               at::ScalarType dtype) {
  const torch::Tensor time =
      nn::sinusoidal_embedding(timestep, {config_.block_out_channels[0], true, 0});
  const torch::Tensor added =
      nn::sinusoidal_embedding(added_time_ids.flatten(), {config_.addition_time_embed_dim, true, 0})
          .reshape({added_time_ids.size(0), -1});
  return at::silu(layers_->time_embedding->forward(time.to(dtype)) +
                  layers_->add_embedding->forward(added.to(dtype)));
}

torch::Tensor UNetSpatioTemporalConditionModelImpl::run(const torch::Tensor& sample,
                                                        const VideoConditions& conditions) {
  nn::StepContext step;
  step.activated_temb = conditions.time;
  step.context = conditions.context;
  step.frames = sample.size(1);
  step.frame_numbers = conditions.frame_numbers;
  step.context_mixup = compatibility_.context_mixup_0_27;
  const torch::Tensor frames = sample.flatten(0, 1).contiguous(at::MemoryFormat::ChannelsLast);
  const torch::Tensor output =
      conditions.reference
          ? layers_->parts.forward_from_conv_in(conditions.reference->forward(frames), step)
          : layers_->parts.forward(frames, step);
  return output.unflatten(0, {sample.size(0), step.frames});
}

torch::Tensor UNetSpatioTemporalConditionModelImpl::forward(
    const torch::Tensor& sample, const torch::Tensor& timestep,
    const torch::Tensor& encoder_hidden_states, const torch::Tensor& added_time_ids) {
  require_one_for_each_sample(kName, "timestep", timestep.size(0), sample.size(0));
  require_one_for_each_sample(kName, "added_time_ids", added_time_ids.size(0), sample.size(0));
  const auto dtype = sample.scalar_type();
  VideoConditions conditions;
  conditions.time = embed_time(timestep, added_time_ids, dtype);
  conditions.context = encoder_hidden_states.to(dtype).unsqueeze(1);
  conditions.frame_numbers =
      at::arange(sample.size(1), at::dtype(at::kLong).device(sample.device()));
  return run(sample, conditions);
}

nn::Condition UNetSpatioTemporalConditionModelImpl::prepare_time(
    const torch::Tensor& timestep, const torch::Tensor& added_time_ids) {
  const torch::NoGradGuard no_grad;
  return nn::Condition::lasting(
      embed_time(timestep, added_time_ids, layers_->parts.conv_in->weight().scalar_type()));
}

nn::Condition UNetSpatioTemporalConditionModelImpl::prepare_context(
    const torch::Tensor& encoder_hidden_states) {
  const auto dtype = layers_->parts.conv_in->weight().scalar_type();
  return nn::Condition::lasting(encoder_hidden_states.detach().to(dtype).unsqueeze(1));
}

nn::Condition UNetSpatioTemporalConditionModelImpl::prepare_frames(std::int64_t frames) {
  const at::Device device = layers_->parts.conv_in->weight().device();
  return nn::Condition::lasting(at::arange(frames, at::dtype(at::kLong).device(device)));
}

std::shared_ptr<const nn::Conv2dOfKnownChannels>
UNetSpatioTemporalConditionModelImpl::prepare_reference(const torch::Tensor& reference) {
  return std::make_shared<nn::Conv2dOfKnownChannels>(*layers_->parts.conv_in,
                                                     reference.flatten(0, 1));
}

torch::Tensor UNetSpatioTemporalConditionModelImpl::forward_prepared(
    const torch::Tensor& noisy, const VideoConditions& conditions) {
  const torch::NoGradGuard no_grad;
  return run(noisy, conditions);
}

}  // namespace echopath::models
