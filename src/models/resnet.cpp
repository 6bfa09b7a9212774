#include "echopath/models/resnet.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/nn/dropout.hpp"
#include "echopath/nn/layers.hpp"
#include "models/torch_layers.hpp"

namespace echopath::models {

namespace {

torch::nn::Conv2d conv(std::int64_t in, std::int64_t out, std::int64_t kernel,
                       std::int64_t stride) {
  return make_convolution<torch::nn::Conv2d>(torch::nn::Conv2dOptions(in, out, kernel)
                                                 .stride(stride)
                                                 .padding((kernel - 1) / 2)
                                                 .bias(false));
}

/// One residual block: the convolutions in order, each followed by its BatchNorm, with a ReLU
/// between them and behind the sum.
class Block : public torch::nn::Module {
 public:
  struct Shape {
    std::int64_t in = 0;
    std::int64_t width = 0;  ///< channels of the 3×3 convolutions
    std::int64_t out = 0;
    std::int64_t stride = 1;
    bool bottleneck = true;
  };

  explicit Block(const Shape& s) {
    if (s.bottleneck) {
      add(conv(s.in, s.width, 1, 1), s.width);
      add(conv(s.width, s.width, 3, s.stride), s.width);
      add(conv(s.width, s.out, 1, 1), s.out);
    } else {
      add(conv(s.in, s.width, 3, s.stride), s.width);
      add(conv(s.width, s.out, 3, 1), s.out);
    }
    if (s.stride != 1 || s.in != s.out) {
      downsample_ = register_module(
          "downsample",
          torch::nn::Sequential(conv(s.in, s.out, 1, s.stride), torch::nn::BatchNorm2d(s.out)));
    }
  }

  torch::Tensor forward(const torch::Tensor& x) {
    torch::Tensor h = x;
    for (std::size_t i = 0; i < convs_.size(); ++i) {
      h = norms_[i]->forward(convs_[i]->forward(h));
      if (i + 1 < convs_.size()) h = at::relu(h);
    }
    return at::relu(h + (downsample_.is_empty() ? x : downsample_->forward(x)));
  }

 private:
  void add(torch::nn::Conv2d layer, std::int64_t channels) {
    const std::string number = std::to_string(convs_.size() + 1);
    convs_.push_back(register_module("conv" + number, layer));
    norms_.push_back(register_module("bn" + number, torch::nn::BatchNorm2d(channels)));
  }

  std::vector<torch::nn::Conv2d> convs_;
  std::vector<torch::nn::BatchNorm2d> norms_;
  torch::nn::Sequential downsample_{nullptr};
};

}  // namespace

void ResNetShape::visit(config::Visitor& v) {
  v.integer("in_channels", in_channels, {1, 256}, "channels of the images or latents");
  v.integer("width", width, {4, 1024}, "channels of the ResNet's stem (ResNet-50: 64)");
  v.integers("depths", depths, {1, 64}, "blocks of the four stages (ResNet-50: 3, 4, 6, 3)");
  v.choice("block", block, {"bottleneck", "basic"}, "residual block (ResNet-50: bottleneck)");
}

void ResNetOptions::visit(config::Visitor& v) {
  ResNetShape::visit(v);
  v.integer("num_classes", num_classes, {1, 1000000}, "width of the last layer");
  v.real("dropout", dropout, {0, 1}, "dropout of the features before the last layer");
}

struct ResNetImpl::Layers {
  torch::nn::Conv2d conv1{nullptr};
  torch::nn::BatchNorm2d bn1{nullptr};
  std::vector<std::shared_ptr<Block>> blocks;
  torch::nn::Linear fc{nullptr};
};

ResNetImpl::ResNetImpl(ResNetOptions options)
    : options_(std::move(options)), layers_(std::make_unique<Layers>()) {
  if (options_.depths.size() != 4) {
    throw ConfigError("ResNet: depths needs four entries, one for each stage");
  }
  const bool bottleneck = options_.block == "bottleneck";
  if (!bottleneck && options_.block != "basic") {
    throw ConfigError("ResNet: block '" + options_.block + "' is neither bottleneck nor basic");
  }
  layers_->conv1 = register_module("conv1", conv(options_.in_channels, options_.width, 7, 2));
  layers_->bn1 = register_module("bn1", torch::nn::BatchNorm2d(options_.width));
  std::int64_t in = options_.width;
  for (std::size_t stage = 0; stage < 4; ++stage) {
    auto list =
        register_module("layer" + std::to_string(stage + 1), std::make_shared<nn::Container>());
    const std::int64_t width = options_.width << stage;
    const std::int64_t out = bottleneck ? width * 4 : width;
    for (std::int64_t i = 0; i < options_.depths[stage]; ++i) {
      const std::int64_t stride = stage > 0 && i == 0 ? 2 : 1;
      layers_->blocks.push_back(
          list->add(std::to_string(i),
                    std::make_shared<Block>(Block::Shape{in, width, out, stride, bottleneck})));
      in = out;
    }
  }
  layers_->fc = register_module("fc", make_linear(feature_dim(), options_.num_classes));
}

ResNetImpl::~ResNetImpl() = default;

std::int64_t ResNetImpl::feature_dim() const {
  return options_.width * 8 * (options_.block == "bottleneck" ? 4 : 1);
}

std::vector<torch::Tensor> ResNetImpl::feature_maps(const torch::Tensor& x) {
  torch::Tensor h = x.contiguous(at::MemoryFormat::ChannelsLast);
  // A picture of one channel has no format of its own, so that the convolution's answer has not
  // either.
  h = layers_->conv1->forward(h).contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<torch::Tensor> maps = {at::relu(layers_->bn1->forward(h))};
  h = at::max_pool2d(maps.front(), 3, 2, 1);
  auto block = layers_->blocks.begin();
  for (const std::int64_t depth : options_.depths) {
    for (std::int64_t i = 0; i < depth; ++i) h = (*block++)->forward(h);
    maps.push_back(h);
  }
  return maps;
}

torch::Tensor ResNetImpl::features(const torch::Tensor& x) {
  return feature_maps(x).back().mean({2, 3});
}

torch::Tensor ResNetImpl::forward(const torch::Tensor& x) {
  return layers_->fc->forward(nn::item_dropout(features(x), options_.dropout, is_training()));
}

}  // namespace echopath::models
