#include "echopath/models/autoencoder_kl.hpp"

#include <sstream>
#include <string_view>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/nn/attention.hpp"
#include "echopath/nn/resnet_block.hpp"
#include "echopath/nn/unet.hpp"
#include "models/config_checks.hpp"

namespace echopath::models {

namespace {

constexpr double kEps = 1e-6;  // of every norm of the VAE
constexpr const char* kName = "AutoencoderKL";

std::shared_ptr<nn::FeatureLayer> resnet(const AutoencoderKLConfig& config, std::int64_t in,
                                         std::int64_t out) {
  nn::ResnetBlockOptions options;
  options.in_channels = in;
  options.out_channels = out;
  options.groups = config.norm_num_groups;
  options.eps = kEps;
  return std::make_shared<nn::ResnetBlock2D>(options);
}

std::shared_ptr<nn::MidBlock> mid_block(const AutoencoderKLConfig& config) {
  const std::int64_t channels = config.block_out_channels.back();
  nn::BlockLayers layers;
  layers.resnets = {resnet(config, channels, channels), resnet(config, channels, channels)};
  if (config.mid_block_add_attention) {
    layers.attentions = {std::make_shared<nn::AttentionBlock>(
        nn::AttentionBlockOptions{channels, channels, config.norm_num_groups, kEps, 1.0})};
  }
  return std::make_shared<nn::MidBlock>(std::move(layers));
}

std::shared_ptr<nn::Conv2d> conv(std::int64_t in, std::int64_t out, std::int64_t kernel_size) {
  return std::make_shared<nn::Conv2d>(
      nn::Conv2dOptions{in, out, kernel_size, 1, (kernel_size - 1) / 2});
}

/// Images to the parameters of the posterior.
class Encoder : public torch::nn::Module {
 public:
  explicit Encoder(const AutoencoderKLConfig& config) {
    const auto& channels = config.block_out_channels;
    conv_in_ = register_module("conv_in", conv(config.in_channels, channels.front(), 3));
    auto list = register_module("down_blocks", std::make_shared<nn::Container>());
    for (std::size_t i = 0; i < channels.size(); ++i) {
      nn::BlockLayers layers;
      for (std::int64_t j = 0; j < config.layers_per_block; ++j) {
        const std::int64_t in = j > 0 || i == 0 ? channels[i] : channels[i - 1];
        layers.resnets.push_back(resnet(config, in, channels[i]));
      }
      if (i + 1 < channels.size()) {
        layers.sampler = std::make_shared<nn::Downsample2D>(channels[i], /*padding=*/0);
      }
      down_blocks_.push_back(
          list->add(std::to_string(i), std::make_shared<nn::DownBlock>(std::move(layers))));
    }
    mid_block_ = register_module("mid_block", mid_block(config));
    conv_norm_out_ = register_module(
        "conv_norm_out",
        std::make_shared<nn::GroupNorm>(config.norm_num_groups, channels.back(), kEps));
    conv_out_ = register_module("conv_out", conv(channels.back(), 2 * config.latent_channels, 3));
  }

  torch::Tensor forward(const torch::Tensor& x) {
    const nn::StepContext step;
    torch::Tensor h = conv_in_->forward(x.contiguous(at::MemoryFormat::ChannelsLast));
    h = h.contiguous(at::MemoryFormat::ChannelsLast);
    for (const auto& block : down_blocks_) h = block->forward(h, step, nullptr);
    h = mid_block_->forward(h, step);
    return conv_out_->forward(conv_norm_out_->forward_silu(h));
  }

 private:
  std::shared_ptr<nn::Conv2d> conv_in_;
  std::vector<std::shared_ptr<nn::DownBlock>> down_blocks_;
  std::shared_ptr<nn::MidBlock> mid_block_;
  std::shared_ptr<nn::GroupNorm> conv_norm_out_;
  std::shared_ptr<nn::Conv2d> conv_out_;
};

/// Latents to images.
class Decoder : public torch::nn::Module {
 public:
  explicit Decoder(const AutoencoderKLConfig& config) {
    const std::vector<std::int64_t> channels(config.block_out_channels.rbegin(),
                                             config.block_out_channels.rend());
    conv_in_ = register_module("conv_in", conv(config.latent_channels, channels.front(), 3));
    auto list = register_module("up_blocks", std::make_shared<nn::Container>());
    for (std::size_t i = 0; i < channels.size(); ++i) {
      nn::BlockLayers layers;
      for (std::int64_t j = 0; j < config.layers_per_block + 1; ++j) {
        const std::int64_t in = j > 0 || i == 0 ? channels[i] : channels[i - 1];
        layers.resnets.push_back(resnet(config, in, channels[i]));
      }
      if (i + 1 < channels.size()) {
        layers.sampler = std::make_shared<nn::Upsample2D>(channels[i]);
      }
      up_blocks_.push_back(
          list->add(std::to_string(i), std::make_shared<nn::UpBlock>(std::move(layers))));
    }
    mid_block_ = register_module("mid_block", mid_block(config));
    conv_norm_out_ = register_module(
        "conv_norm_out",
        std::make_shared<nn::GroupNorm>(config.norm_num_groups, channels.back(), kEps));
    conv_out_ = register_module("conv_out", conv(channels.back(), config.out_channels, 3));
  }

  torch::Tensor forward(const torch::Tensor& z) {
    const nn::StepContext step;
    torch::Tensor h = conv_in_->forward(z.contiguous(at::MemoryFormat::ChannelsLast));
    h = mid_block_->forward(h.contiguous(at::MemoryFormat::ChannelsLast), step);
    for (const auto& block : up_blocks_) h = block->forward(h, step, nullptr);
    return conv_out_->forward(conv_norm_out_->forward_silu(h));
  }

  const torch::Tensor& last_layer_weight() const { return conv_out_->weight(); }

 private:
  std::shared_ptr<nn::Conv2d> conv_in_;
  std::shared_ptr<nn::MidBlock> mid_block_;
  std::vector<std::shared_ptr<nn::UpBlock>> up_blocks_;
  std::shared_ptr<nn::GroupNorm> conv_norm_out_;
  std::shared_ptr<nn::Conv2d> conv_out_;
};

}  // namespace

void AutoencoderKLConfig::visit(config::Visitor& v) {
  v.integer("in_channels", in_channels, {1, 64}, "channels of the images");
  v.integer("out_channels", out_channels, {1, 64}, "channels of the decoded images");
  v.texts("down_block_types", down_block_types,
          "DownEncoderBlock2D for each block (empty: for all)");
  v.texts("up_block_types", up_block_types, "UpDecoderBlock2D for each block (empty: for all)");
  v.integers("block_out_channels", block_out_channels, {1, 8192},
             "channels at each resolution, finest first");
  v.integer("layers_per_block", layers_per_block, {1, 16},
            "residual blocks at each resolution of the encoder; the decoder has one more");
  v.fixed("act_fn", "silu", "activation");
  v.integer("latent_channels", latent_channels, {1, 256}, "channels of the latents");
  v.integer("norm_num_groups", norm_num_groups, {1, 1024}, "groups of every GroupNorm");
  v.integer("sample_size", sample_size, {1, 65536}, "image size it was trained on, in pixels");
  v.real("scaling_factor", scaling_factor, {1e-6, 1e6},
         "latents times this have about unit variance");
  v.fixed("shift_factor", nullptr, "offset of the latents");
  v.fixed("latents_mean", nullptr, "mean of the latents per channel");
  v.fixed("latents_std", nullptr, "deviation of the latents per channel");
  v.ignored("force_upcast", true, "whether diffusers runs it in float32 under half precision");
  v.boolean("use_quant_conv", use_quant_conv, "1x1 convolution behind the encoder");
  v.boolean("use_post_quant_conv", use_post_quant_conv, "1x1 convolution before the decoder");
  v.boolean("mid_block_add_attention", mid_block_add_attention,
            "self-attention at the lowest resolution");
}

void AutoencoderKLConfig::complete() {
  if (block_out_channels.empty()) {
    throw ConfigError(std::string(kName) + ": block_out_channels must not be empty");
  }
  const std::size_t blocks = block_out_channels.size();
  if (down_block_types.empty()) down_block_types.assign(blocks, "DownEncoderBlock2D");
  if (up_block_types.empty()) up_block_types.assign(blocks, "UpDecoderBlock2D");
  require_block_types(kName, "down_block_types", down_block_types, {"DownEncoderBlock2D"}, blocks);
  require_block_types(kName, "up_block_types", up_block_types, {"UpDecoderBlock2D"}, blocks);
  require_divisible(kName, "block_out_channels", block_out_channels, norm_num_groups,
                    "norm_num_groups");
}

torch::Tensor DiagonalGaussian::sample(const torch::Tensor& noise) const {
  return mean + (0.5 * logvar).exp() * noise;
}

torch::Tensor DiagonalGaussian::kl() const {
  const torch::Tensor terms = 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar);
  return terms.flatten(1).sum(1);
}

struct AutoencoderKLImpl::Layers {
  std::shared_ptr<Encoder> encoder;
  std::shared_ptr<Decoder> decoder;
  std::shared_ptr<nn::Conv2d> quant_conv;
  std::shared_ptr<nn::Conv2d> post_quant_conv;
};

AutoencoderKLImpl::AutoencoderKLImpl(AutoencoderKLConfig config)
    : config_(std::move(config)), layers_(std::make_unique<Layers>()) {
  config_.complete();
  layers_->encoder = register_module("encoder", std::make_shared<Encoder>(config_));
  layers_->decoder = register_module("decoder", std::make_shared<Decoder>(config_));
  const std::int64_t latent = config_.latent_channels;
  if (config_.use_quant_conv) {
    layers_->quant_conv = register_module("quant_conv", conv(2 * latent, 2 * latent, 1));
  }
  if (config_.use_post_quant_conv) {
    layers_->post_quant_conv = register_module("post_quant_conv", conv(latent, latent, 1));
  }
}

AutoencoderKLImpl::~AutoencoderKLImpl() = default;

DiagonalGaussian AutoencoderKLImpl::encode(const torch::Tensor& x) {
  torch::Tensor moments = layers_->encoder->forward(x);
  if (layers_->quant_conv) moments = layers_->quant_conv->forward(moments);
  const std::vector<torch::Tensor> halves = moments.chunk(2, 1);
  return {halves[0], halves[1].clamp(-30.0, 20.0)};
}

torch::Tensor AutoencoderKLImpl::decode(const torch::Tensor& z) {
  return layers_->decoder->forward(layers_->post_quant_conv ? layers_->post_quant_conv->forward(z)
                                                            : z);
}

std::int64_t AutoencoderKLImpl::downsampling_factor() const {
  return std::int64_t{1} << (config_.block_out_channels.size() - 1);
}

torch::Tensor AutoencoderKLImpl::last_layer_weight() const {
  return layers_->decoder->last_layer_weight();
}

std::string encoder_hash(const AutoencoderKL& vae) {
  torch::NoGradGuard no_grad;
  std::string listing;
  for (const auto& item : vae->named_parameters()) {
    const std::string& name = item.key();
    if (name.rfind("encoder.", 0) != 0 && name.rfind("quant_conv.", 0) != 0) continue;
    const at::Tensor values = item.value().to(at::kCPU).to(at::kHalf).contiguous();
    const std::string_view bytes(static_cast<const char*>(values.const_data_ptr()),
                                 values.nbytes());
    std::ostringstream line;
    line << name << ' ' << values.sizes() << ' ' << sha256_hex(bytes) << '\n';
    listing += line.str();
  }
  return sha256_hex(listing);
}

}  // namespace echopath::models
