#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/models/compatibility.hpp"

namespace echopath::models {

/// config.json of diffusers' UNetSpatioTemporalConditionModel; the defaults are the paper's LVDM.
struct UNetSpatioTemporalConfig {
  std::optional<std::int64_t> sample_size = 14;
  std::int64_t in_channels = 8;
  std::int64_t out_channels = 4;
  /// DownBlockSpatioTemporal or CrossAttnDownBlockSpatioTemporal.
  std::vector<std::string> down_block_types = {
      "CrossAttnDownBlockSpatioTemporal", "CrossAttnDownBlockSpatioTemporal",
      "CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"};
  /// UpBlockSpatioTemporal or CrossAttnUpBlockSpatioTemporal.
  std::vector<std::string> up_block_types = {
      "UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal",
      "CrossAttnUpBlockSpatioTemporal"};
  std::vector<std::int64_t> block_out_channels = {128, 256, 256, 512};
  std::int64_t addition_time_embed_dim = 1;
  /// addition_time_embed_dim × the number of added time ids.
  std::int64_t projection_class_embeddings_input_dim = 1;
  std::vector<std::int64_t> layers_per_block = {2};
  std::vector<std::int64_t> cross_attention_dim = {64};
  std::vector<std::int64_t> transformer_layers_per_block = {1};
  std::vector<std::int64_t> num_attention_heads = {8, 16, 16, 32};
  std::int64_t num_frames = 64;

  void visit(config::Visitor& v);
  /// Throws ConfigError on values that do not go together.
  void check() const;
  /// How many added time ids a sample takes.
  std::int64_t added_time_id_count() const {
    return projection_class_embeddings_input_dim / addition_time_embed_dim;
  }
};

/// The video diffusion UNet with cross-attention to a context; diffusers' key names.
class UNetSpatioTemporalConditionModelImpl : public torch::nn::Module {
 public:
  explicit UNetSpatioTemporalConditionModelImpl(UNetSpatioTemporalConfig config = {},
                                                Compatibility compatibility = {});
  ~UNetSpatioTemporalConditionModelImpl() override;

  /// sample [B, T, in_channels, H, W], timestep [B] (integer or float), encoder_hidden_states [B,
  /// L, cross_attention_dim], added_time_ids [B, added_time_id_count()]; returns [B, T,
  /// out_channels, H, W]. Where H or W is no multiple of 2^(blocks − 1) the encoder rounds up and
  /// the decoder interpolates to the sizes of the skip connections, as diffusers does; the
  /// published code pads first (pad_latents).
  torch::Tensor forward(const torch::Tensor& sample, const torch::Tensor& timestep,
                        const torch::Tensor& encoder_hidden_states,
                        const torch::Tensor& added_time_ids);

  const UNetSpatioTemporalConfig& config() const { return config_; }

 private:
  struct Layers;
  UNetSpatioTemporalConfig config_;
  Compatibility compatibility_;
  std::unique_ptr<Layers> layers_;
};
TORCH_MODULE(UNetSpatioTemporalConditionModel);

}  // namespace echopath::models
