#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/models/compatibility.hpp"
#include "echopath/nn/condition.hpp"
#include "echopath/nn/known_channels.hpp"

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
  /// diffusers has no such key and always takes 32. Where that leaves a group one channel or two,
  /// as in narrow networks, the norms wipe out what is constant over a frame: the time embedding,
  /// the strength of the noise, the phase of the heart.
  std::int64_t norm_num_groups = 32;
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

/// What the video UNet is told besides the noisy latents, made by its prepare functions. A sampler
/// gives most of it at many steps; layers compute their share of it at the first.
struct VideoConditions {
  nn::Condition time;           ///< prepare_time()
  nn::Condition context;        ///< prepare_context()
  nn::Condition frame_numbers;  ///< prepare_frames()
  /// prepare_reference(); null: the sample brings all channels.
  std::shared_ptr<const nn::Conv2dOfKnownChannels> reference;
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

  /// forward() for a sampler, which prepares each of its arguments once and not at every step. All
  /// of this holds while the weights stay as they are, and without gradients.
  /// timestep [B] and added_time_ids, as forward() takes them.
  nn::Condition prepare_time(const torch::Tensor& timestep, const torch::Tensor& added_time_ids);
  /// encoder_hidden_states [B, L, cross_attention_dim].
  nn::Condition prepare_context(const torch::Tensor& encoder_hidden_states);
  /// Of samples of this many frames.
  nn::Condition prepare_frames(std::int64_t frames);
  /// reference [B, T, K, H, W]: the last K channels of the sample, which stay the same.
  std::shared_ptr<const nn::Conv2dOfKnownChannels> prepare_reference(
      const torch::Tensor& reference);
  /// noisy [B, T, in_channels − K, H, W]; what forward() answers to it with the reference behind,
  /// equal to the bit where there is none, else up to the rounding of a sum.
  torch::Tensor forward_prepared(const torch::Tensor& noisy, const VideoConditions& conditions);

  const UNetSpatioTemporalConfig& config() const { return config_; }

 private:
  struct Layers;
  /// SiLU of the time embedding, [B, 4·block_out_channels[0]].
  torch::Tensor embed_time(const torch::Tensor& timestep, const torch::Tensor& added_time_ids,
                           at::ScalarType dtype);
  torch::Tensor run(const torch::Tensor& sample, const VideoConditions& conditions);

  UNetSpatioTemporalConfig config_;
  Compatibility compatibility_;
  std::unique_ptr<Layers> layers_;
};
TORCH_MODULE(UNetSpatioTemporalConditionModel);

}  // namespace echopath::models
