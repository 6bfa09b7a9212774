#include "echopath/nn/resnet_block.hpp"

#include "echopath/nn/dropout.hpp"

namespace echopath::nn {

namespace {

torch::Tensor resample(const torch::Tensor& x, Resampling resampling) {
  switch (resampling) {
    case Resampling::kDown:
      return at::avg_pool2d(x, 2);
    case Resampling::kUp:
      return at::upsample_nearest2d(x, {x.size(2) * 2, x.size(3) * 2});
    case Resampling::kNone:
      break;
  }
  return x;
}

}  // namespace

ResnetBlock2D::ResnetBlock2D(const ResnetBlockOptions& options) : options_(options) {
  const std::int64_t in = options.in_channels;
  const std::int64_t out = options.out_channels;
  norm1_ = register_module("norm1", std::make_shared<GroupNorm>(options.groups, in, options.eps));
  conv1_ = register_module("conv1", std::make_shared<Conv2d>(Conv2dOptions{in, out}));
  if (options.temb_channels > 0) {
    time_emb_proj_ =
        register_module("time_emb_proj", std::make_shared<Linear>(options.temb_channels, out));
  }
  norm2_ = register_module("norm2", std::make_shared<GroupNorm>(options.groups, out, options.eps));
  conv2_ = register_module("conv2", std::make_shared<Conv2d>(Conv2dOptions{out, out}));
  if (in != out) {
    conv_shortcut_ =
        register_module("conv_shortcut", std::make_shared<Conv2d>(Conv2dOptions{in, out, 1, 1, 0}));
  }
}

torch::Tensor ResnetBlock2D::forward(const torch::Tensor& x, const StepContext& step) {
  torch::Tensor h = conv1_->forward(resample(norm1_->forward_silu(x), options_.resampling));
  torch::Tensor shift;
  if (time_emb_proj_) {
    const torch::Tensor row = step.activated_temb.derive(
        *time_emb_proj_, [&](const torch::Tensor& temb) { return time_emb_proj_->forward(temb); });
    shift = per_frame(row, step.frames);
  }
  h = norm2_->forward_silu(h, shift);
  h = item_dropout(h, options_.dropout, is_training());
  h = conv2_->forward(h);
  torch::Tensor shortcut = resample(x, options_.resampling);
  if (conv_shortcut_) shortcut = conv_shortcut_->forward(shortcut);
  h = shortcut + h;
  return options_.output_scale_factor == 1.0 ? h : h / options_.output_scale_factor;
}

Downsample2D::Downsample2D(std::int64_t channels, std::int64_t padding) : padding_(padding) {
  conv_ = register_module(
      "conv", std::make_shared<Conv2d>(Conv2dOptions{channels, channels, 3, 2, padding}));
}

torch::Tensor Downsample2D::forward(const torch::Tensor& x, const StepContext&) {
  return conv_->forward(padding_ == 0 ? at::constant_pad_nd(x, {0, 1, 0, 1}) : x);
}

Upsample2D::Upsample2D(std::int64_t channels) {
  conv_ = register_module("conv", std::make_shared<Conv2d>(Conv2dOptions{channels, channels}));
}

torch::Tensor Upsample2D::forward(const torch::Tensor& x, const StepContext& step) {
  const auto [height, width] = step.upsample_size;
  return conv_->forward(height > 0 ? at::upsample_nearest2d(x, {height, width})
                                   : resample(x, Resampling::kUp));
}

}  // namespace echopath::nn
