#include "echopath/models/video_resnet.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/nn/dropout.hpp"
#include "echopath/nn/layers.hpp"
#include "models/torch_layers.hpp"

namespace echopath::models {

namespace {

using torch::nn::BatchNorm3d;
using torch::nn::ReLU;
using torch::nn::Sequential;

using Extent = torch::ExpandingArray<3>;  // over time, height, width

torch::nn::Conv3d conv(std::int64_t in, std::int64_t out, Extent kernel, Extent stride) {
  const Extent padding({((*kernel)[0] - 1) / 2, ((*kernel)[1] - 1) / 2, ((*kernel)[2] - 1) / 2});
  return make_convolution<torch::nn::Conv3d>(
      torch::nn::Conv3dOptions(in, out, kernel).stride(stride).padding(padding).bias(false));
}

/// The convolutions of one block: from `in` to `out` channels, factorised over `middle` ones.
struct BlockShape {
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t stride = 1;  ///< over time, height and width
  bool factorised = false;

  /// Channels between the two factors that keep the number of weights of a 3×3×3 convolution.
  std::int64_t middle() const { return in * out * 27 / (in * 9 + 3 * out); }
};

/// A 3×3×3 convolution as one over space and one over time, with BatchNorm and ReLU between them.
class FactorisedConv : public torch::nn::Module {
 public:
  FactorisedConv(std::int64_t in, std::int64_t middle, std::int64_t out, std::int64_t stride) {
    spatial_ = register_module("0", conv(in, middle, {{1, 3, 3}}, {{1, stride, stride}}));
    norm_ = register_module("1", BatchNorm3d(middle));
    temporal_ = register_module("3", conv(middle, out, {{3, 1, 1}}, {{stride, 1, 1}}));
  }
  torch::Tensor forward(const torch::Tensor& x) {
    return temporal_->forward(at::relu(norm_->forward(spatial_->forward(x))));
  }

 private:
  torch::nn::Conv3d spatial_{nullptr};
  BatchNorm3d norm_{nullptr};
  torch::nn::Conv3d temporal_{nullptr};
};

torch::nn::AnyModule block_conv(const BlockShape& s, std::int64_t in, std::int64_t stride) {
  if (!s.factorised) return torch::nn::AnyModule(conv(in, s.out, 3, stride));
  return torch::nn::AnyModule(std::make_shared<FactorisedConv>(in, s.middle(), s.out, stride));
}

/// conv1 → BatchNorm → ReLU → conv2 → BatchNorm, plus the input, ReLU.
class VideoBlock : public torch::nn::Module {
 public:
  explicit VideoBlock(const BlockShape& s) {
    conv1_->push_back(block_conv(s, s.in, s.stride));
    conv1_->push_back(BatchNorm3d(s.out));
    conv1_->push_back(ReLU());
    conv2_->push_back(block_conv(s, s.out, 1));
    conv2_->push_back(BatchNorm3d(s.out));
    register_module("conv1", conv1_);
    register_module("conv2", conv2_);
    if (s.stride != 1 || s.in != s.out) {
      downsample_ = register_module("downsample",
                                    Sequential(conv(s.in, s.out, 1, s.stride), BatchNorm3d(s.out)));
    }
  }

  torch::Tensor forward(const torch::Tensor& x) {
    const torch::Tensor h = conv2_->forward(conv1_->forward(x));
    return at::relu(h + (downsample_.is_empty() ? x : downsample_->forward(x)));
  }

 private:
  Sequential conv1_;
  Sequential conv2_;
  Sequential downsample_{nullptr};
};

Sequential stem_of(const VideoResNetOptions& options) {
  const std::int64_t width = options.width;
  if (options.convolution == "3d") {
    return Sequential(conv(options.in_channels, width, {{3, 7, 7}}, {{1, 2, 2}}),
                      BatchNorm3d(width), ReLU());
  }
  // torchvision's 45 for 64; narrower networks keep the proportion.
  const std::int64_t middle = std::max<std::int64_t>(1, 45 * width / 64);
  return Sequential(conv(options.in_channels, middle, {{1, 7, 7}}, {{1, 2, 2}}),
                    BatchNorm3d(middle), ReLU(), conv(middle, width, {{3, 1, 1}}, 1),
                    BatchNorm3d(width), ReLU());
}

}  // namespace

void VideoResNetShape::visit(config::Visitor& v) {
  v.integer("in_channels", in_channels, {1, 256}, "channels of the video");
  v.integer("width", width, {4, 1024}, "channels of the stem (r3d_18: 64)");
  v.integers("depths", depths, {1, 64}, "blocks of the four stages (r3d_18: 2, 2, 2, 2)");
}

void VideoResNetOptions::visit(config::Visitor& v) {
  VideoResNetShape::visit(v);
  v.choice("convolution", convolution, {"3d", "2plus1d"},
           "3x3x3 (r3d_18), or over space and then over time (r2plus1d_18)");
  v.integer("num_classes", num_classes, {1, 1000000}, "width of the last layer");
  v.real("dropout", dropout, {0, 1}, "dropout of the features before the last layer");
}

struct VideoResNetImpl::Layers {
  Sequential stem{nullptr};
  std::vector<std::shared_ptr<VideoBlock>> blocks;
  torch::nn::Linear fc{nullptr};
};

VideoResNetImpl::VideoResNetImpl(VideoResNetOptions options)
    : options_(std::move(options)), layers_(std::make_unique<Layers>()) {
  if (options_.depths.size() != 4) {
    throw ConfigError("VideoResNet: depths needs four entries, one for each stage");
  }
  if (options_.convolution != "3d" && options_.convolution != "2plus1d") {
    throw ConfigError("VideoResNet: convolution '" + options_.convolution +
                      "' is neither 3d nor 2plus1d");
  }
  layers_->stem = register_module("stem", stem_of(options_));
  std::int64_t in = options_.width;
  for (std::size_t stage = 0; stage < 4; ++stage) {
    auto list =
        register_module("layer" + std::to_string(stage + 1), std::make_shared<nn::Container>());
    const std::int64_t out = options_.width << stage;
    for (std::int64_t i = 0; i < options_.depths[stage]; ++i) {
      const std::int64_t stride = stage > 0 && i == 0 ? 2 : 1;
      const BlockShape shape{in, out, stride, options_.convolution == "2plus1d"};
      layers_->blocks.push_back(list->add(std::to_string(i), std::make_shared<VideoBlock>(shape)));
      in = out;
    }
  }
  layers_->fc = register_module("fc", make_linear(feature_dim(), options_.num_classes));
  torch::nn::init::normal_(layers_->fc->weight, 0.0, 0.01);
  torch::nn::init::zeros_(layers_->fc->bias);
}

VideoResNetImpl::~VideoResNetImpl() = default;

torch::Tensor VideoResNetImpl::features(const torch::Tensor& x) {
  torch::Tensor h = layers_->stem->forward(x);
  for (const auto& block : layers_->blocks) h = block->forward(h);
  return h.mean({2, 3, 4});
}

torch::Tensor VideoResNetImpl::forward(const torch::Tensor& x) {
  return layers_->fc->forward(nn::item_dropout(features(x), options_.dropout, is_training()));
}

}  // namespace echopath::models
