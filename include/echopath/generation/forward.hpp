#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace echopath::generation {

/// One network on given tensors.
struct ForwardOptions {
  std::string model;    ///< model directory
  std::string network;  ///< vae, lidm, lvdm, reid, resnet50, r3d_18, r2plus1d_18 or a classifier
  std::string inputs;   ///< safetensors file, see run_forward
  std::string out;      ///< safetensors file to write
  bool encode = false;  ///< vae: images to latents
  bool decode = false;  ///< vae: latents to images
  std::string device = "auto";
};

/// Name and shape of each tensor written.
using ForwardSummary = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;

/// Reads the inputs, runs the network once in float32, and writes what it answers. The directory
/// needs the network's folder alone, whose weights may be one safetensors file, shards with an
/// index, or a file of torch.save. Inputs carry the names of diffusers' arguments:
/// - vae, encode: `sample` [B, 3, H, W] → `mean`, `logvar` [B, C, h, w], unscaled;
/// - vae, decode: `z` [B, C, h, w] → `sample`;
/// - lidm: `sample` [B, C, H, W], `timestep` [B] or one number, and `encoder_hidden_states` [B, L,
/// D]
///   or `labels` [B] → `sample`; nothing is padded;
/// - lvdm: the same with `sample` [B, T, 2C, H, W], and `added_time_ids` [B, K] → `sample`;
/// - reid: `sample` [B, C, H, W] in [−1, 1] → `sample` [B, E], the sigmoid embedding;
/// - resnet50: `sample` [B, C, H, W], r3d_18 and r2plus1d_18: `sample` [B, C, T, H, W] → `sample`
///   [B, classes], the logits;
/// - a classifier by its folder's name: `sample` as its architecture takes it, normalised →
/// `sample`,
///   the logits (of each frame or, of a segmentation network, of each pixel).
/// `x` stands for `sample` where there is no other. Throws UsageError on an unknown network or
/// contradictory options, DataError on missing files or tensors and on shapes that do not fit the
/// network.
ForwardSummary run_forward(const ForwardOptions& options);

}  // namespace echopath::generation
