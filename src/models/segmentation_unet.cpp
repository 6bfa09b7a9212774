#include "echopath/models/segmentation_unet.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/nn/unet.hpp"
#include "models/config_checks.hpp"
#include "models/unet_2d_layers.hpp"

namespace echopath::models {

namespace {

constexpr const char* kName = "SegmentationUNet";
constexpr double kNormEps = 1e-5;

class Builder {
 public:
  explicit Builder(const SegmentationUNetOptions& options)
      : options_(options), levels_(options.block_out_channels.size()) {}

  nn::UNetParts build() const {
    const auto& channels = options_.block_out_channels;
    nn::UNetParts parts;
    parts.conv_in =
        std::make_shared<nn::Conv2d>(nn::Conv2dOptions{options_.in_channels, channels.front()});
    for (std::size_t i = 0; i < levels_; ++i) parts.down_blocks.push_back(down_block(i));
    parts.mid_block = mid_block();
    for (std::size_t i = 0; i < levels_; ++i) parts.up_blocks.push_back(up_block(i));
    parts.conv_norm_out =
        std::make_shared<nn::GroupNorm>(options_.norm_num_groups, channels.front(), kNormEps);
    parts.conv_out =
        std::make_shared<nn::Conv2d>(nn::Conv2dOptions{channels.front(), options_.num_classes});
    return parts;
  }

 private:
  /// A block without time embedding and without attention.
  Block2DOptions common(std::size_t level) const {
    Block2DOptions block;
    block.type = "Block2D";
    block.out_channels = options_.block_out_channels[level];
    block.groups = options_.norm_num_groups;
    block.eps = kNormEps;
    block.dropout = options_.dropout;
    return block;
  }

  std::shared_ptr<nn::DownBlock> down_block(std::size_t level) const {
    Block2DOptions block = common(level);
    const auto& channels = options_.block_out_channels;
    block.in_channels.assign(static_cast<std::size_t>(options_.layers_per_block), channels[level]);
    block.in_channels[0] = channels[level == 0 ? 0 : level - 1];
    block.resample = level + 1 < levels_;
    return make_down_block(block);
  }

  std::shared_ptr<nn::MidBlock> mid_block() const {
    const Block2DOptions block = common(levels_ - 1);
    nn::BlockLayers layers;
    layers.resnets = {make_resnet(block, block.out_channels),
                      make_resnet(block, block.out_channels)};
    return std::make_shared<nn::MidBlock>(std::move(layers));
  }

  std::shared_ptr<nn::UpBlock> up_block(std::size_t index) const {
    Block2DOptions block = common(levels_ - 1 - index);
    block.in_channels =
        nn::up_block_channels(options_.block_out_channels, static_cast<std::int64_t>(index),
                              options_.layers_per_block + 1)
            .in;
    block.resample = index + 1 < levels_;
    return make_up_block(block);
  }

  const SegmentationUNetOptions& options_;
  std::size_t levels_;
};

}  // namespace

void SegmentationUNetShape::visit(config::Visitor& v) {
  v.integer("in_channels", in_channels, {1, 256}, "channels of the images");
  v.integers("block_out_channels", block_out_channels, {1, 8192},
             "channels at each resolution, finest first");
  v.integer("layers_per_block", layers_per_block, {1, 16}, "residual blocks per encoder block");
  v.integer("norm_num_groups", norm_num_groups, {1, 1024}, "groups of the GroupNorms");
  v.real("dropout", dropout, {0, 1}, "dropout in the residual blocks");
}

void SegmentationUNetShape::check() const {
  if (block_out_channels.empty()) {
    throw ConfigError(std::string(kName) + ": block_out_channels must not be empty");
  }
  require_divisible(kName, "block_out_channels", block_out_channels, norm_num_groups,
                    "norm_num_groups");
}

struct SegmentationUNetImpl::Layers {
  nn::UNetParts parts;
};

SegmentationUNetImpl::SegmentationUNetImpl(SegmentationUNetOptions options)
    : options_(std::move(options)), layers_(std::make_unique<Layers>()) {
  options_.check();
  layers_->parts = Builder(options_).build();
  layers_->parts.register_in(*this);
}

SegmentationUNetImpl::~SegmentationUNetImpl() = default;

torch::Tensor SegmentationUNetImpl::forward(const torch::Tensor& x) {
  return layers_->parts.forward(x.contiguous(at::MemoryFormat::ChannelsLast), {});
}

}  // namespace echopath::models
