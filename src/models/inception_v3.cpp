#include "echopath/models/inception_v3.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/models/weights.hpp"
#include "models/inception_blocks.hpp"
#include "models/weight_files.hpp"

namespace echopath::models {
namespace {

/// Where TensorFlow 1 takes each of `out` pixels from: pixels `low` and `high`, and how much of the
/// second.
struct LegacyGrid {
  torch::Tensor low, high, share;
};

LegacyGrid legacy_grid(std::int64_t in, const torch::TensorOptions& options) {
  // The scale is rounded to float32 before it is multiplied, as in TensorFlow.
  const float scale = static_cast<float>(in) / static_cast<float>(InceptionV3Impl::kImageSize);
  const torch::Tensor place = at::arange(InceptionV3Impl::kImageSize, options) * scale;
  LegacyGrid grid;
  grid.low = place.to(at::kLong);
  grid.high = (grid.low + 1).clamp_max(in - 1);
  grid.share = place - grid.low;
  return grid;
}

torch::Tensor legacy_bilinear(const torch::Tensor& pixels) {
  const LegacyGrid x = legacy_grid(pixels.size(3), pixels.options());
  const LegacyGrid y = legacy_grid(pixels.size(2), pixels.options());
  const torch::Tensor left = pixels.index_select(3, x.low);
  const torch::Tensor across = left + (pixels.index_select(3, x.high) - left) * x.share;
  const torch::Tensor top = across.index_select(2, y.low);
  return top + (across.index_select(2, y.high) - top) * y.share.unsqueeze(1);
}

torch::Tensor resized(const torch::Tensor& pixels, InceptionResize resize) {
  const std::array<std::int64_t, 2> size = {InceptionV3Impl::kImageSize,
                                            InceptionV3Impl::kImageSize};
  switch (resize) {
    case InceptionResize::kClean:
      return at::_upsample_bicubic2d_aa(pixels, size, /*align_corners=*/false).clamp_(0, 255);
    case InceptionResize::kAntialias:
      return at::_upsample_bilinear2d_aa(pixels, size, /*align_corners=*/false);
    case InceptionResize::kTensorFlow1:
      break;
  }
  return legacy_bilinear(pixels);
}

}  // namespace

struct InceptionV3Impl::Layers {
  /// A layer and whether a 3×3 max pool of stride 2 stands behind it.
  std::vector<std::pair<InceptionConvPtr, bool>> stem;
  std::vector<InceptionBlockPtr> blocks;
};

InceptionV3Impl::InceptionV3Impl() : layers_(std::make_unique<Layers>()) {
  const auto stem = [this](const char* name, const InceptionConv::Shape& shape, bool pool = false) {
    layers_->stem.emplace_back(register_module(name, std::make_shared<InceptionConv>(shape)), pool);
  };
  stem("Conv2d_1a_3x3", {3, 32, {3, 3}, 2});
  stem("Conv2d_2a_3x3", {32, 32, {3, 3}});
  stem("Conv2d_2b_3x3", {32, 64, {3, 3}, 1, {1, 1}}, true);
  stem("Conv2d_3b_1x1", {64, 80});
  stem("Conv2d_4a_3x3", {80, 192, {3, 3}}, true);
  const auto block = [this](const char* name, const InceptionBlockPtr& mixed) {
    layers_->blocks.push_back(register_module(name, mixed));
  };
  block("Mixed_5b", make_inception_a(192, 32));
  block("Mixed_5c", make_inception_a(256, 64));
  block("Mixed_5d", make_inception_a(288, 64));
  block("Mixed_6a", make_inception_b(288));
  block("Mixed_6b", make_inception_c(768, 128));
  block("Mixed_6c", make_inception_c(768, 160));
  block("Mixed_6d", make_inception_c(768, 160));
  block("Mixed_6e", make_inception_c(768, 192));
  block("Mixed_7a", make_inception_d(768));
  block("Mixed_7b", make_inception_e(1280, /*max_pool=*/false));
  block("Mixed_7c", make_inception_e(2048, /*max_pool=*/true));
  fc_ = register_module("fc", torch::nn::Linear(kFeatures, kClasses));
  eval();
}

InceptionV3Impl::~InceptionV3Impl() = default;

torch::Tensor InceptionV3Impl::features(const torch::Tensor& images) {
  torch::Tensor x = images;
  for (const auto& [layer, pool] : layers_->stem) {
    x = layer->forward(x);
    if (pool) x = at::max_pool2d(x, 3, 2);
  }
  for (const InceptionBlockPtr& mixed : layers_->blocks) x = mixed->forward(x);
  return x.mean({2, 3});
}

torch::Tensor InceptionV3Impl::logits_without_bias(const torch::Tensor& features) {
  return features.mm(fc_->weight.t());
}

torch::Tensor inception_images(const torch::Tensor& pixels, InceptionResize resize) {
  TORCH_CHECK(pixels.dim() == 4 && (pixels.size(1) == 1 || pixels.size(1) == 3),
              "images are [B, 1 or 3, H, W], not ", pixels.sizes());
  // Grey images are resized once and then shown to all three channels.
  const torch::Tensor images = (resized(pixels.to(at::kFloat), resize) - 128) / 128;
  return images.expand({-1, 3, -1, -1}).contiguous();
}

InceptionV3 load_inception_v3(const std::filesystem::path& path, at::Device device) {
  require_file(path, "Inception weights");
  StoredWeights stored = read_stored_weights(path);
  // Some copies hold how many batches were averaged over, others do not.
  std::erase_if(stored.tensors,
                [](const auto& entry) { return entry.first.ends_with("num_batches_tracked"); });
  InceptionV3 network;
  load_weights(*network, stored.tensors, path.string());
  network->to(device);
  for (torch::Tensor& parameter : network->parameters()) parameter.set_requires_grad(false);
  return network;
}

}  // namespace echopath::models
