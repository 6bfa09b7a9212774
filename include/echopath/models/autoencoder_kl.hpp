#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"

namespace echopath::models {

/// config.json of diffusers' AutoencoderKL; the defaults are the paper's network.
struct AutoencoderKLConfig {
  std::int64_t in_channels = 3;
  std::int64_t out_channels = 3;
  std::vector<std::int64_t> block_out_channels = {128, 256, 256, 512};
  std::int64_t layers_per_block = 2;
  std::int64_t latent_channels = 4;
  std::int64_t norm_num_groups = 32;
  std::int64_t sample_size = 112;
  double scaling_factor = 0.18215;
  bool use_quant_conv = true;
  bool use_post_quant_conv = true;
  bool mid_block_add_attention = true;
  /// One entry per block; empty stands for DownEncoderBlock2D/UpDecoderBlock2D throughout.
  std::vector<std::string> down_block_types;
  std::vector<std::string> up_block_types;

  void visit(config::Visitor& v);
  /// Fills in the block types. Throws ConfigError on values that do not go together.
  void complete();
};

/// The approximate posterior q(z|x), a diagonal Gaussian; both [B, latent_channels, h, w].
struct DiagonalGaussian {
  torch::Tensor mean;
  torch::Tensor logvar;  ///< clamped to [−30, 20]

  /// mean + exp(logvar/2)·noise; `noise` is standard normal of the same shape.
  torch::Tensor sample(const torch::Tensor& noise) const;
  /// KL divergence from N(0, I), summed over all but the batch dimension: [B].
  torch::Tensor kl() const;
};

/// The image VAE with diffusers' key names.
class AutoencoderKLImpl : public torch::nn::Module {
 public:
  /// Throws ConfigError on a config that cannot be built.
  explicit AutoencoderKLImpl(AutoencoderKLConfig config = {});
  ~AutoencoderKLImpl() override;

  /// x [B, in_channels, H, W] in [−1, 1], H and W multiples of `downsampling_factor()`. The latents
  /// are not scaled by `scaling_factor`.
  DiagonalGaussian encode(const torch::Tensor& x);
  /// z [B, latent_channels, h, w], unscaled, to images [B, out_channels, H, W] around [−1, 1].
  torch::Tensor decode(const torch::Tensor& z);

  const AutoencoderKLConfig& config() const { return config_; }
  /// Pixels per latent along each axis: 2^(blocks − 1).
  std::int64_t downsampling_factor() const;
  /// The decoder's last convolution weight, for adaptive loss weights.
  torch::Tensor last_layer_weight() const;

 private:
  struct Layers;
  AutoencoderKLConfig config_;
  std::unique_ptr<Layers> layers_;
};
TORCH_MODULE(AutoencoderKL);

/// What latents depend on: SHA-256 over the names, shapes and values (rounded to float16, so that a
/// half-precision copy counts as the same) of `encoder.*` and `quant_conv.*`. VAEs that differ in
/// their decoders only share it.
std::string encoder_hash(const AutoencoderKL& vae);

}  // namespace echopath::models
