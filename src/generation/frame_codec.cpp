#include "echopath/generation/frame_codec.hpp"

#include <algorithm>
#include <vector>

#include "echopath/core/errors.hpp"

namespace echopath::generation {

at::Tensor frames_to_images(const io::Frames& frames, std::int64_t first, std::int64_t count) {
  TORCH_CHECK(frames.channels == 1 && first >= 0 && first + count <= frames.count,
              "frames_to_images takes grey frames inside the video");
  // from_blob wants a mutable pointer; the copy by `to` follows at once.
  auto* bytes = const_cast<std::uint8_t*>(frames.frame(first));
  const at::Tensor grey =
      at::from_blob(bytes, {count, 1, frames.height, frames.width}, at::kByte).to(at::kFloat);
  return (grey / 127.5 - 1.0).expand({count, 3, frames.height, frames.width}).contiguous();
}

at::Tensor images_to_grey(const at::Tensor& images) {
  TORCH_CHECK(images.dim() == 4, "images must be [T, C, H, W]");
  const at::Tensor grey = (images.to(at::kFloat).mean(1) + 1.0) * 127.5;
  return grey.round().clamp(0, 255).to(at::kByte).cpu().contiguous();
}

FrameCodec::FrameCodec(models::AutoencoderKL vae, at::Device device, std::int64_t frames_at_once)
    : vae_(std::move(vae)), device_(device), frames_at_once_(frames_at_once) {
  TORCH_CHECK(frames_at_once_ >= 1, "frames_at_once must be at least 1");
}

at::ScalarType FrameCodec::dtype() const {
  return vae_->parameters().front().scalar_type();
}

data::LatentVideo FrameCodec::encode(const io::Frames& frames,
                                     const std::function<void(std::int64_t)>& on_frames) const {
  const at::NoGradGuard no_grad;
  if (frames.height % factor() != 0 || frames.width % factor() != 0) {
    throw DataError("frames of " + std::to_string(frames.width) + "x" +
                    std::to_string(frames.height) +
                    " do not fit this VAE: sides must be multiples of " + std::to_string(factor()));
  }
  std::vector<at::Tensor> means;
  std::vector<at::Tensor> logvars;
  for (std::int64_t first = 0; first < frames.count; first += frames_at_once_) {
    const std::int64_t count = std::min(frames_at_once_, frames.count - first);
    const models::DiagonalGaussian posterior =
        vae_->encode(frames_to_images(frames, first, count).to(device_, dtype()));
    means.push_back(posterior.mean.to(at::kFloat).cpu());
    logvars.push_back(posterior.logvar.to(at::kFloat).cpu());
    if (on_frames) on_frames(first + count);
  }
  return {at::cat(means), at::cat(logvars)};
}

void FrameCodec::decode(const at::Tensor& latents,
                        const std::function<void(const std::uint8_t*)>& on_frame) const {
  const at::NoGradGuard no_grad;
  for (const at::Tensor& part : latents.split(frames_at_once_)) {
    const at::Tensor grey = images_to_grey(vae_->decode(part.to(device_, dtype())));
    const auto* bytes = grey.const_data_ptr<std::uint8_t>();
    for (std::int64_t i = 0; i < grey.size(0); ++i) on_frame(bytes + i * grey.stride(0));
  }
}

}  // namespace echopath::generation
