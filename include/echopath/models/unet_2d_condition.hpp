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

/// config.json of diffusers' UNet2DConditionModel; the defaults are the paper's LIDM.
struct UNet2DConditionConfig {
  std::optional<std::int64_t> sample_size = 14;
  std::int64_t in_channels = 4;
  std::int64_t out_channels = 4;
  bool flip_sin_to_cos = true;
  std::int64_t freq_shift = 0;
  /// DownBlock2D, AttnDownBlock2D or CrossAttnDownBlock2D.
  std::vector<std::string> down_block_types = {"AttnDownBlock2D", "AttnDownBlock2D",
                                               "AttnDownBlock2D", "DownBlock2D"};
  std::string mid_block_type = "UNetMidBlock2DCrossAttn";
  /// UpBlock2D, AttnUpBlock2D or CrossAttnUpBlock2D.
  std::vector<std::string> up_block_types = {"UpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D",
                                             "AttnUpBlock2D"};
  std::vector<std::int64_t> block_out_channels = {128, 256, 256, 512};
  std::vector<std::int64_t> layers_per_block = {2};
  std::int64_t downsample_padding = 1;
  double mid_block_scale_factor = 1.0;
  double dropout = 0.0;
  std::int64_t norm_num_groups = 32;
  double norm_eps = 1e-5;
  std::vector<std::int64_t> cross_attention_dim = {64};
  std::vector<std::int64_t> transformer_layers_per_block = {1};
  /// diffusers' misnomer: the number of heads in cross-attention blocks, the head dimension in
  /// AttnDown/AttnUp blocks.
  std::vector<std::int64_t> attention_head_dim = {8};
  bool use_linear_projection = false;

  void visit(config::Visitor& v);
  /// Throws ConfigError on values that do not go together.
  void check() const;
};

/// The image diffusion UNet with cross-attention to a context; diffusers' key names.
class UNet2DConditionModelImpl : public torch::nn::Module {
 public:
  explicit UNet2DConditionModelImpl(UNet2DConditionConfig config = {});
  ~UNet2DConditionModelImpl() override;

  /// sample [B, in_channels, H, W], timestep [B] (integer or float), encoder_hidden_states [B, L,
  /// cross_attention_dim]; returns [B, out_channels, H, W]. Throws DataError where H or W is no
  /// multiple of 2^(blocks − 1) and the decoder has AttnUpBlock2D, which only doubles.
  torch::Tensor forward(const torch::Tensor& sample, const torch::Tensor& timestep,
                        const torch::Tensor& encoder_hidden_states);

  /// A timestep [B] and a context [B, L, cross_attention_dim] for forward_prepared(), which answers
  /// what forward() does, to the bit. For a sampler; holds while the weights stay as they are, and
  /// without gradients.
  nn::Condition prepare_time(const torch::Tensor& timestep);
  nn::Condition prepare_context(const torch::Tensor& encoder_hidden_states);
  torch::Tensor forward_prepared(const torch::Tensor& sample, const nn::Condition& time,
                                 const nn::Condition& context);

  const UNet2DConditionConfig& config() const { return config_; }

 private:
  struct Layers;
  /// SiLU of the time embedding, [B, 4·block_out_channels[0]].
  torch::Tensor embed_time(const torch::Tensor& timestep, at::ScalarType dtype);
  torch::Tensor run(const torch::Tensor& sample, const nn::Condition& time,
                    const nn::Condition& context);

  UNet2DConditionConfig config_;
  std::unique_ptr<Layers> layers_;
};
TORCH_MODULE(UNet2DConditionModel);

}  // namespace echopath::models
