#include "training/memory.hpp"

#include <algorithm>
#include <cmath>

#include "echopath/training/optimizer.hpp"

namespace echopath::training {
namespace {

/// Values kept for the backward pass. Under activation checkpointing a part keeps what it gives
/// to the next, and its inside only while it runs again: one part at a time.
class KeptValues {
 public:
  explicit KeptValues(bool checkpointing) : checkpointing_(checkpointing) {}
  /// A part with so many values inside, and so many that it gives.
  void add(double inside, double given) {
    kept_ += checkpointing_ ? given : inside;
    if (checkpointing_) largest_ = std::max(largest_, inside);
  }
  /// Values that are kept in any case.
  void add(double values) { kept_ += values; }
  double total() const { return kept_ + largest_; }

 private:
  bool checkpointing_;
  double kept_ = 0.0;
  double largest_ = 0.0;
};

/// What stands behind each residual block of a level, and in the middle.
enum class Attention { kNone, kPlain, kCross };

/// A U-shaped network as far as memory goes. Lists are in the order of the way down.
struct UNetPlan {
  std::vector<std::int64_t> channels;
  std::vector<std::int64_t> layers;  ///< residual blocks of a level on the way down
  std::vector<Attention> down;
  std::vector<Attention> up;
  Attention middle = Attention::kPlain;
  std::vector<std::int64_t> transformer_layers;
  double side = 16.0;
  bool resnet_resampling = false;  ///< resampling is a residual block, not a convolution
  bool temporal = false;           ///< each block is followed by one over time
  bool checkpointing = false;      ///< activations are checkpointed
};

/// A list with one entry per level, or one for all.
std::int64_t entry(const std::vector<std::int64_t>& list, std::size_t level) {
  return list[std::min(level, list.size() - 1)];
}

/// norm → SiLU → convolution, twice: each keeps its input.
double resnet(double in, double out, double positions) {
  return 3.0 * (in + out) * positions;
}

/// Norm's input and output, query, key, value, and the result before its projection.
double attention(double channels, double positions) {
  return 6.0 * channels * positions;
}

/// Self-attention (norm 2, q k v 3, result 1), cross-attention (norm 2, query 1, result 1) and a
/// gated feed-forward of width 4 (norm 2, both halves 8, the gate 4, the product 4).
constexpr double kTransformerBlock = 28.0;
/// The gated feed-forward before a block over time.
constexpr double kFeedForward = 18.0;
/// Both branches of a learned blend of space and time.
constexpr double kBlend = 2.0;

/// Kept values of a U-Net, level by level. The skip connections are concatenated, so a residual
/// block on the way up keeps both parts.
class UNetCounter {
 public:
  explicit UNetCounter(const UNetPlan& plan) : plan_(plan), kept_(plan.checkpointing) {}

  double count() {
    const double first = static_cast<double>(plan_.channels.front());
    std::vector<double> skips = {first};
    double width = first;
    const std::size_t levels = plan_.channels.size();
    for (std::size_t level = 0; level < levels; ++level) {
      const auto channels = static_cast<double>(plan_.channels[level]);
      for (std::int64_t layer = 0; layer < entry(plan_.layers, level); ++layer) {
        block(width, channels, level, plan_.down[level]);
        width = channels;
        skips.push_back(width);
      }
      if (level + 1 < levels) {
        resample(width, positions(level));
        skips.push_back(width);
      }
    }
    block(width, width, levels - 1, plan_.middle);
    block(width, width, levels - 1, Attention::kNone);
    for (std::size_t level = levels; level-- > 0;) {
      const auto channels = static_cast<double>(plan_.channels[level]);
      for (std::int64_t layer = 0; layer <= entry(plan_.layers, level); ++layer) {
        block(width + skips.back(), channels, level, plan_.up[level]);
        skips.pop_back();
        width = channels;
      }
      if (level > 0) resample(width, positions(level - 1));
    }
    kept_.add(3.0 * first * positions(0));  // norm, SiLU and convolution at the end
    return kept_.total();
  }

 private:
  double positions(std::size_t level) const {
    const double side = std::max(1.0, plan_.side / static_cast<double>(std::int64_t{1} << level));
    return side * side;
  }

  void resample(double channels, double positions) {
    const double given = channels * positions;
    kept_.add(plan_.resnet_resampling ? resnet(channels, channels, positions) : given, given);
  }

  void block(double in, double out, std::size_t level, Attention kind) {
    const double at = positions(level);
    double inside = resnet(in, out, at);
    if (plan_.temporal) inside += resnet(out, out, at) + kBlend * out * at;
    if (kind == Attention::kPlain) inside += attention(out, at);
    if (kind == Attention::kCross) {
      double per_layer = kTransformerBlock;
      if (plan_.temporal) per_layer += kTransformerBlock + kFeedForward + kBlend + 1.0;
      const auto depth = static_cast<double>(entry(plan_.transformer_layers, level));
      inside += (3.0 + depth * per_layer) * out * at;  // 3: norm, and the projection out
    }
    kept_.add(inside, out * at);
  }

  UNetPlan plan_;
  KeptValues kept_;
};

Attention attention_of(const std::string& block_type) {
  if (block_type.find("CrossAttn") != std::string::npos) return Attention::kCross;
  return block_type.rfind("Attn", 0) == 0 ? Attention::kPlain : Attention::kNone;
}

/// What the configs of the U-Nets have in common. Latents are padded to a multiple of eight.
template <class Config>
UNetPlan plan_of(const Config& config) {
  UNetPlan plan;
  plan.channels = config.block_out_channels;
  for (const std::string& type : config.down_block_types) plan.down.push_back(attention_of(type));
  for (const std::string& type : config.up_block_types) plan.up.push_back(attention_of(type));
  std::reverse(plan.up.begin(), plan.up.end());
  plan.side = static_cast<double>((config.sample_size.value_or(14) + 7) / 8 * 8);
  return plan;
}

UNetPlan plan_of(const models::UNet2DConfig& config) {
  UNetPlan plan = plan_of<models::UNet2DConfig>(config);
  plan.layers = {config.layers_per_block};
  plan.middle = config.add_attention ? Attention::kPlain : Attention::kNone;
  plan.resnet_resampling = config.downsample_type == "resnet";
  return plan;
}

/// For the two networks with a context.
template <class Config>
UNetPlan conditional_plan_of(const Config& config) {
  UNetPlan plan = plan_of<Config>(config);
  plan.layers = config.layers_per_block;
  plan.transformer_layers = config.transformer_layers_per_block;
  plan.middle = Attention::kCross;
  return plan;
}

double vae_values(const models::AutoencoderKLConfig& config, bool checkpointing) {
  const std::size_t levels = config.block_out_channels.size();
  KeptValues kept(checkpointing);
  double positions = 0.0;
  double width = static_cast<double>(config.block_out_channels.front());
  for (std::size_t level = 0; level < levels; ++level) {
    const auto channels = static_cast<double>(config.block_out_channels[level]);
    const double side =
        static_cast<double>(config.sample_size) / static_cast<double>(std::int64_t{1} << level);
    positions = side * side;
    const double given = channels * positions;
    const double below =
        static_cast<double>(config.block_out_channels[std::min(level + 1, levels - 1)]);
    // Encoder and decoder, which has one block more and takes the width of the level below.
    kept.add(resnet(width, channels, positions), given);
    kept.add(resnet(below, channels, positions), given);
    for (int block = 0; block < 2 * config.layers_per_block - 1; ++block) {
      kept.add(resnet(channels, channels, positions), given);
    }
    if (level + 1 < levels) kept.add((channels + below) * positions);  // resampling convolutions
    width = channels;
  }
  for (int block = 0; block < 4; ++block) {
    kept.add(resnet(width, width, positions), width * positions);
  }
  if (config.mid_block_add_attention) {
    kept.add(2.0 * attention(width, positions), 2.0 * width * positions);
  }
  const double first = static_cast<double>(config.block_out_channels.front());
  const double frame = static_cast<double>(config.sample_size * config.sample_size);
  kept.add(3.0 * width * positions + 3.0 * first * frame);
  return kept.total();
}

/// Convolution, norm and leaky ReLU of the patch discriminator for one frame.
double discriminator_values(const VaeOptions& options) {
  double side = static_cast<double>(options.model.sample_size) / 2.0;
  double width = static_cast<double>(options.discriminator_channels);
  const double widest = 8.0 * width;
  double total = 2.0 * width * side * side;
  for (std::int64_t layer = 1; layer < options.discriminator_layers; ++layer) {
    side /= 2.0;
    width = std::min(2.0 * width, widest);
    total += 3.0 * width * side * side;
  }
  return total;
}

/// Norm and ReLU of each convolution of a ResNet for one image of `side` pixels.
double resnet_values(const models::ResNetShape& shape, double side) {
  const bool bottleneck = shape.block == "bottleneck";
  double channels = static_cast<double>(shape.width);
  side = std::ceil(side / 2.0);
  double total = 2.0 * channels * side * side;
  side = std::ceil(side / 2.0);  // max pooling
  for (std::size_t stage = 0; stage < shape.depths.size(); ++stage) {
    if (stage > 0) {
      channels *= 2.0;
      side = std::ceil(side / 2.0);
    }
    // A bottleneck ends four times as wide.
    const double block = bottleneck ? 4.0 + 2.0 * 4.0 : 4.0;
    const double shortcut = bottleneck ? 4.0 : 1.0;
    total += channels * side * side * (block * static_cast<double>(shape.depths[stage]) + shortcut);
  }
  return total;
}

/// Height and width, and length, of a clip.
struct ClipSize {
  double side = 0.0;
  double frames = 0.0;
};

/// The same for a video ResNet. Between the factors of a convolution over space and one over time
/// lie nine quarters of the block's channels (r2plus1d_18), with norm and ReLU of their own.
double video_resnet_values(const models::VideoResNetShape& shape, bool factorised, ClipSize clip) {
  const double block = 4.0 + (factorised ? 2.0 * 2.0 * 9.0 / 4.0 : 0.0);
  double channels = static_cast<double>(shape.width);
  clip.side = std::ceil(clip.side / 2.0);
  const double stem = factorised ? 1.0 + 45.0 / 64.0 : 1.0;
  double total = 2.0 * stem * channels * clip.side * clip.side * clip.frames;
  for (std::size_t stage = 0; stage < shape.depths.size(); ++stage) {
    if (stage > 0) {
      channels *= 2.0;
      clip.side = std::ceil(clip.side / 2.0);
      clip.frames = std::ceil(clip.frames / 2.0);
    }
    const double blocks = block * static_cast<double>(shape.depths[stage]);
    const double shortcut = stage > 0 ? 1.0 : 0.0;
    total += channels * clip.side * clip.side * clip.frames * (blocks + shortcut);
  }
  return total;
}

}  // namespace

double kept_values(const LidmOptions& options) {
  if (options.architecture == "UNet2DModel") {
    UNetPlan plan = plan_of(options.unconditional);
    plan.checkpointing = options.training.activation_checkpointing;
    return UNetCounter(plan).count();
  }
  UNetPlan plan = conditional_plan_of(options.conditional);
  plan.checkpointing = options.training.activation_checkpointing;
  plan.middle =
      attention_of(options.conditional.mid_block_type.substr(std::string("UNetMidBlock2D").size()));
  return UNetCounter(plan).count();
}

double kept_values(const LvdmOptions& options) {
  UNetPlan plan = conditional_plan_of(options.model);
  plan.temporal = true;
  plan.checkpointing = options.training.activation_checkpointing;
  return static_cast<double>(options.block_length) * UNetCounter(plan).count();
}

double kept_values(const VaeOptions& options) {
  const double autoencoder = vae_values(options.model, options.training.activation_checkpointing);
  if (options.adversarial_weight == 0) return autoencoder;
  // The reconstruction is judged while the autoencoder's values are still there.
  return autoencoder + discriminator_values(options);
}

double kept_values(const ReidOptions& options) {
  constexpr double kLatentSide = 14.0;  // 112 pixels through the VAE; the config does not say
  return 2.0 * resnet_values(options.model, kLatentSide);
}

double kept_values(const ClassifierOptions& options) {
  const models::ClassifierConfig& config = options.model;
  const auto side = static_cast<double>(config.clip.sample_size);
  const auto frames = static_cast<double>(config.clip.frames);
  if (config.architecture == "resnet50") return frames * resnet_values(config.image, side);
  if (config.architecture != "unet") {
    return video_resnet_values(config.video, config.architecture == "r2plus1d_18", {side, frames});
  }
  UNetPlan plan;
  plan.channels = config.unet.block_out_channels;
  plan.layers = {config.unet.layers_per_block};
  plan.checkpointing = options.training.activation_checkpointing;
  plan.down = plan.up = std::vector<Attention>(plan.channels.size(), Attention::kNone);
  plan.middle = Attention::kNone;
  plan.side = side;
  return frames * UNetCounter(plan).count();
}

double training_bytes(const LoopOptions& loop, std::int64_t parameters, double kept_values,
                      bool cuda) {
  const bool half = loop.precision != "fp32";
  // Weights, gradients, average, and what the optimizer keeps.
  const double state =
      4.0 * (3.0 + static_cast<double>(optimizer_values(loop))) + (half ? 2.0 : 0.0);
  const double value = !half ? 4.0 : (cuda ? 4.0 * 10.0 / 12.0 : 2.0);
  const std::int64_t items = loop.micro_batch_size > 0
                                 ? std::min(loop.micro_batch_size, loop.batch_size)
                                 : loop.batch_size;
  return state * static_cast<double>(parameters) + value * kept_values * static_cast<double>(items);
}

}  // namespace echopath::training
