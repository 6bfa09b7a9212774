#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace echopath::training {

/// Mean structural similarity (Wang et al., 2004: Gaussian window 7, sigma 1.5, C1 = 0.01², C2 =
/// 0.03² of the range) of two image batches [B, C, H, W] in [-1, 1], averaged over `scales` scales
/// made by 2×2 averaging. A scalar in [-1, 1]; 1 for equal images.
at::Tensor multi_scale_similarity(const at::Tensor& a, const at::Tensor& b,
                                  std::int64_t scales = 3);

/// Peak signal-to-noise ratio in dB of images in [-1, 1].
double psnr(const at::Tensor& a, const at::Tensor& b);

/// Hinge loss of a discriminator (Lim & Ye, 2017) from its logits.
at::Tensor discriminator_hinge_loss(const at::Tensor& real_logits, const at::Tensor& fake_logits);

/// Patch discriminator (Isola et al., 2017): stride-2 4×4 convolutions, group norm (so that its
/// answer for an image does not depend on the batch), leaky ReLU, one logit per patch.
class PatchDiscriminatorImpl : public torch::nn::Module {
 public:
  PatchDiscriminatorImpl(std::int64_t in_channels, std::int64_t channels, std::int64_t layers);
  /// x [B, C, H, W] in [-1, 1]; returns [B, 1, h, w].
  at::Tensor forward(const at::Tensor& x);

 private:
  torch::nn::Sequential layers_;
};
TORCH_MODULE(PatchDiscriminator);

}  // namespace echopath::training
