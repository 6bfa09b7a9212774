#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/nn/condition.hpp"

namespace echopath::models {

/// config.json of diffusers' UNet2DModel; the defaults are EchoNet-Synthetic's LIDM.
struct UNet2DConfig {
  std::optional<std::int64_t> sample_size = 14;
  std::int64_t in_channels = 4;
  std::int64_t out_channels = 4;
  bool flip_sin_to_cos = true;
  std::int64_t freq_shift = 0;
  /// DownBlock2D or AttnDownBlock2D.
  std::vector<std::string> down_block_types = {"AttnDownBlock2D", "AttnDownBlock2D",
                                               "AttnDownBlock2D", "DownBlock2D"};
  /// UpBlock2D or AttnUpBlock2D.
  std::vector<std::string> up_block_types = {"UpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D",
                                             "AttnUpBlock2D"};
  std::vector<std::int64_t> block_out_channels = {128, 256, 256, 512};
  std::int64_t layers_per_block = 2;
  double mid_block_scale_factor = 1.0;
  std::int64_t downsample_padding = 1;
  std::string downsample_type = "resnet";  ///< conv or resnet
  std::string upsample_type = "resnet";    ///< conv or resnet
  double dropout = 0.0;
  std::optional<std::int64_t> attention_head_dim = 8;  ///< true head dimension; null: one head
  std::int64_t norm_num_groups = 32;
  std::optional<std::int64_t> attn_norm_num_groups;
  double norm_eps = 1e-5;
  bool add_attention = true;

  void visit(config::Visitor& v);
  /// Throws ConfigError on values that do not go together.
  void check() const;
};

/// The unconditional image diffusion UNet; diffusers' key names.
class UNet2DModelImpl : public torch::nn::Module {
 public:
  explicit UNet2DModelImpl(UNet2DConfig config = {});
  ~UNet2DModelImpl() override;

  /// sample [B, in_channels, H, W] with H and W multiples of 2^(blocks − 1), timestep [B] (integer
  /// or float); returns [B, out_channels, H, W].
  torch::Tensor forward(const torch::Tensor& sample, const torch::Tensor& timestep);

  /// A timestep [B] for forward_prepared(), which answers what forward() does, to the bit. For a
  /// sampler; holds while the weights stay as they are, and without gradients.
  nn::Condition prepare_time(const torch::Tensor& timestep);
  torch::Tensor forward_prepared(const torch::Tensor& sample, const nn::Condition& time);

  const UNet2DConfig& config() const { return config_; }

 private:
  struct Layers;
  /// SiLU of the time embedding, [B, 4·block_out_channels[0]].
  torch::Tensor embed_time(const torch::Tensor& timestep, at::ScalarType dtype);
  torch::Tensor run(const torch::Tensor& sample, const nn::Condition& time);

  UNet2DConfig config_;
  std::unique_ptr<Layers> layers_;
};
TORCH_MODULE(UNet2DModel);

}  // namespace echopath::models
