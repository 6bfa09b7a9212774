#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>

#include "echopath/data/latent_dataset.hpp"
#include "echopath/io/frames.hpp"
#include "echopath/models/autoencoder_kl.hpp"

namespace echopath::generation {

/// Grey bytes `[T, H, W]` to images `[T, 3, H, W]` float32: x/127.5 − 1, the same in each channel.
at::Tensor frames_to_images(const io::Frames& frames, std::int64_t first, std::int64_t count);

/// Images `[T, 3, H, W]` around [−1, 1] to grey bytes `[T, H, W]`: the mean of the channels,
/// (x + 1)·127.5 rounded and clamped.
at::Tensor images_to_grey(const at::Tensor& images);

/// Frames through the VAE and back, a few at a time, so that memory does not grow with the video.
/// It computes in the precision that the VAE's weights have.
class FrameCodec {
 public:
  FrameCodec(models::AutoencoderKL vae, at::Device device, std::int64_t frames_at_once = 32);

  /// The posterior of every frame, unscaled. `on_frames` is told how many were done, and may throw
  /// to stop. Throws DataError on a size that the VAE cannot halve often enough.
  data::LatentVideo encode(const io::Frames& frames,
                           const std::function<void(std::int64_t)>& on_frames = {}) const;

  /// Decodes unscaled latents `[T, C, h, w]` and hands each grey frame `[H, W]` on in order.
  void decode(const at::Tensor& latents,
              const std::function<void(const std::uint8_t*)>& on_frame) const;

  /// Pixels per latent along each axis.
  std::int64_t factor() const { return vae_->downsampling_factor(); }

 private:
  at::ScalarType dtype() const;

  mutable models::AutoencoderKL vae_;
  at::Device device_;
  std::int64_t frames_at_once_;
};

}  // namespace echopath::generation
