#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "echopath/diffusion/schedule.hpp"
#include "echopath/generation/frame_codec.hpp"
#include "echopath/io/frames.hpp"
#include "training/latent_source.hpp"

namespace echopath::training {

/// The network's answer to noisy latents [B, …] at timesteps [B].
using Answer = std::function<at::Tensor(const at::Tensor& noisy, const at::Tensor& timesteps)>;

/// Latents from standard normal noise [B, …] in 20 deterministic steps without guidance: enough to
/// see how far a network is, at the cost of 20 evaluations. Float32 on the CPU.
at::Tensor sample_latents(const diffusion::NoiseScheduleOptions& schedule, const at::Tensor& noise,
                          const Answer& answer);

/// `count` items, of each class in turn, the same each time. Fewer where `items` are empty.
std::vector<std::int64_t> items_of_each_class(const std::vector<LatentItem>& items,
                                              std::int64_t count);

/// Makes latents visible.
class LatentViewer {
 public:
  /// Takes the VAE of the model directory, where it has the one that made the latents.
  LatentViewer(const std::filesystem::path& model_directory, const LatentSource& source,
               at::Device device);

  /// Grey bytes [T, H, W] of scaled latents [T, C, h, w]: decoded, or without a VAE the channels
  /// beside each other, -3 black and 3 white, four times enlarged.
  at::Tensor show(const at::Tensor& latents) const;

 private:
  std::optional<generation::FrameCodec> codec_;
  double scaling_factor_;
};

/// Grey bytes [T, H, W] of equal size, beside each other in rows of `columns`, as they come; the
/// rest of the last row is black.
io::Frames tiled(const std::vector<at::Tensor>& pictures, std::int64_t columns, double fps);

}  // namespace echopath::training
