#include "echopath/training/losses.hpp"

#include "training/autocast.hpp"
#include "training/precision.hpp"

namespace echopath::training {
namespace {

namespace F = torch::nn::functional;

constexpr std::int64_t kWindow = 7;

at::Tensor gaussian_window(const at::Tensor& like, std::int64_t channels) {
  const at::Tensor x = at::arange(kWindow, like.options()) - (kWindow - 1) / 2.0;
  at::Tensor g = at::exp(-x.square() / (2 * 1.5 * 1.5));
  g = g / g.sum();
  return g.outer(g).expand({channels, 1, kWindow, kWindow}).contiguous();
}

at::Tensor similarity(const at::Tensor& a, const at::Tensor& b, const at::Tensor& window) {
  const double c1 = 0.01 * 0.01 * 4, c2 = 0.03 * 0.03 * 4;  // the range is 2
  const auto options = F::Conv2dFuncOptions().groups(a.size(1));
  const auto blur = [&](const at::Tensor& x) { return F::conv2d(x, window, options); };
  const at::Tensor mean_a = blur(a), mean_b = blur(b);
  const at::Tensor var_a = blur(a * a) - mean_a * mean_a;
  const at::Tensor var_b = blur(b * b) - mean_b * mean_b;
  const at::Tensor covariance = blur(a * b) - mean_a * mean_b;
  return ((2 * mean_a * mean_b + c1) * (2 * covariance + c2) /
          ((mean_a * mean_a + mean_b * mean_b + c1) * (var_a + var_b + c2)))
      .mean();
}

}  // namespace

at::Tensor multi_scale_similarity(const at::Tensor& a, const at::Tensor& b, std::int64_t scales) {
  // The variances are small differences of large numbers: bfloat16 would make them negative.
  const AutocastScope full_precision(false, a.device().type());
  at::Tensor x = for_loss(a), y = for_loss(b);
  const at::Tensor window = gaussian_window(x, x.size(1));
  at::Tensor total = similarity(x, y, window);
  for (std::int64_t scale = 1; scale < scales; ++scale) {
    x = at::avg_pool2d(x, 2);
    y = at::avg_pool2d(y, 2);
    total = total + similarity(x, y, window);
  }
  return total / static_cast<double>(scales);
}

double psnr(const at::Tensor& a, const at::Tensor& b) {
  const double mse = (a.to(at::kDouble) - b.to(at::kDouble)).square().mean().item<double>();
  return 10.0 * std::log10(4.0 / std::max(mse, 1e-12));
}

at::Tensor discriminator_hinge_loss(const at::Tensor& real_logits, const at::Tensor& fake_logits) {
  return 0.5 * (at::relu(1.0 - real_logits).mean() + at::relu(1.0 + fake_logits).mean());
}

PatchDiscriminatorImpl::PatchDiscriminatorImpl(std::int64_t in_channels, std::int64_t channels,
                                               std::int64_t layers) {
  using torch::nn::Conv2d;
  using torch::nn::Conv2dOptions;
  const auto leaky = [] {
    return torch::nn::LeakyReLU(torch::nn::LeakyReLUOptions().negative_slope(0.2));
  };
  layers_->push_back(Conv2d(Conv2dOptions(in_channels, channels, 4).stride(2).padding(1)));
  layers_->push_back(leaky());
  std::int64_t width = channels;
  for (std::int64_t layer = 1; layer < layers; ++layer) {
    const std::int64_t next = std::min(width * 2, channels * 8);
    layers_->push_back(Conv2d(Conv2dOptions(width, next, 4).stride(2).padding(1).bias(false)));
    layers_->push_back(torch::nn::GroupNorm(std::min<std::int64_t>(8, next), next));
    layers_->push_back(leaky());
    width = next;
  }
  layers_->push_back(Conv2d(Conv2dOptions(width, 1, 3).padding(1)));
  register_module("layers", layers_);
}

at::Tensor PatchDiscriminatorImpl::forward(const at::Tensor& x) {
  return layers_->forward(x);
}

}  // namespace echopath::training
