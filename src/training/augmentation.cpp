#include "echopath/training/augmentation.hpp"

#include <torch/nn/functional/vision.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace echopath::training {
namespace {

/// The number of each kind of draw under a clip's key.
enum Draw : std::uint32_t { kStart, kDown, kRight, kRotation, kBrightness, kContrast, kFlip };

/// Uniform in [−range, range).
double symmetric(const NoiseKey& key, Draw draw, double range) {
  return range == 0.0 ? 0.0 : range * (2.0 * uniform_number(key, draw) - 1.0);
}

/// Moves [T, H, W] by whole pixels along one axis, zeros coming in.
at::Tensor shifted(const at::Tensor& images, std::int64_t axis, std::int64_t by) {
  if (by == 0) return images;
  const std::int64_t kept = images.size(axis) - std::abs(by);
  at::Tensor result = at::zeros_like(images);
  if (kept <= 0) return result;
  result.narrow(axis, std::max<std::int64_t>(by, 0), kept)
      .copy_(images.narrow(axis, std::max<std::int64_t>(-by, 0), kept));
  return result;
}

/// Turns [T, H, W] anticlockwise about the middle of the image.
at::Tensor turned(const at::Tensor& images, double degrees, bool to_nearest) {
  if (degrees == 0.0) return images;
  const double angle = degrees * std::numbers::pi / 180.0;
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const double aspect = static_cast<double>(images.size(1)) / static_cast<double>(images.size(2));
  // From places in the result to places in the image, both in [−1, 1] with y downwards.
  const at::Tensor matrix =
      at::tensor({cosine, -sine * aspect, 0.0, sine / aspect, cosine, 0.0}, at::kDouble)
          .to(images.scalar_type())
          .view({1, 2, 3});
  const at::Tensor frames_as_channels = images.unsqueeze(0);
  namespace F = torch::nn::functional;
  const at::Tensor grid =
      F::affine_grid(matrix, frames_as_channels.sizes(), /*align_corners=*/false);
  auto options = F::GridSampleFuncOptions().padding_mode(torch::kZeros).align_corners(false);
  if (to_nearest) {
    options.mode(torch::kNearest);
  } else {
    options.mode(torch::kBilinear);
  }
  return F::grid_sample(frames_as_channels, grid, options).squeeze(0);
}

at::Tensor moved(const at::Tensor& images, const Augmentation& drawn, bool to_nearest) {
  at::Tensor result = turned(images, drawn.degrees, to_nearest);
  result = shifted(shifted(result, 1, drawn.down), 2, drawn.right);
  return drawn.flip ? result.flip(2) : result;
}

}  // namespace

void AugmentationOptions::visit(config::Visitor& v) {
  v.boolean("temporal_start", temporal_start,
            "a window starts anywhere in its video, not only in the middle");
  v.integer("shift", shift, {0, 4096},
            "largest shift in pixels, along each axis, black coming in (a random crop of the "
            "padded frame)");
  v.real("rotation", rotation, {0, 180}, "largest rotation in degrees");
  v.real("brightness", brightness, {0, 1},
         "gain: grey levels times 1 minus this to 1 plus this (torchvision's ColorJitter)");
  v.real("contrast", contrast, {0, 1},
         "differences from the clip's mean grey level times 1 minus this to 1 plus this");
  v.real("horizontal_flip", horizontal_flip, {0, 1},
         "probability of a mirror image; left and right are not alike in a four-chamber view");
}

Augmentation draw_augmentation(const AugmentationOptions& options, const NoiseKey& key) {
  Augmentation drawn;
  if (options.temporal_start) drawn.start = uniform_number(key, kStart);
  const auto pixels = [&](Draw draw) {
    return uniform_integer(key, 2 * options.shift + 1, draw) - options.shift;
  };
  if (options.shift > 0) {
    drawn.down = pixels(kDown);
    drawn.right = pixels(kRight);
  }
  drawn.degrees = symmetric(key, kRotation, options.rotation);
  drawn.brightness = 1.0 + symmetric(key, kBrightness, options.brightness);
  drawn.contrast = 1.0 + symmetric(key, kContrast, options.contrast);
  drawn.flip = uniform_number(key, kFlip) < options.horizontal_flip;
  return drawn;
}

at::Tensor augment(const at::Tensor& clip, const Augmentation& drawn) {
  at::Tensor result = moved(clip, drawn, false);
  if (drawn.brightness != 1.0) result = (result * drawn.brightness).clamp(0.0, 255.0);
  if (drawn.contrast != 1.0) {
    const at::Tensor mean = result.mean();
    result = (mean + (result - mean) * drawn.contrast).clamp(0.0, 255.0);
  }
  return result;
}

at::Tensor augment_maps(const at::Tensor& maps, const Augmentation& drawn) {
  return moved(maps, drawn, true);
}

}  // namespace echopath::training
