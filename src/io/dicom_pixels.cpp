#include "io/dicom_pixels.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "echopath/core/errors.hpp"

namespace echopath::io {
namespace {

Frames frames_of(const ImageShape& shape, std::int64_t channels) {
  Frames frames;
  frames.count = shape.frames;
  frames.height = shape.rows;
  frames.width = shape.columns;
  frames.channels = channels;
  frames.pixels.resize(static_cast<std::size_t>(frames.count * frames.frame_size()));
  return frames;
}

void require_bytes(const std::vector<char>& raw, const ImageShape& shape) {
  const auto needed = static_cast<std::size_t>(shape.columns * shape.rows * shape.frames *
                                               shape.samples * shape.bytes_per_sample);
  if (raw.size() < needed) throw DataError("decoded DICOM pixels are fewer than the image's size");
}

/// The stored value of one sample, sign extended.
std::int64_t sample_at(const char* raw, const ImageShape& shape, std::size_t index) {
  const char* at = raw + index * static_cast<std::size_t>(shape.bytes_per_sample);
  if (shape.bytes_per_sample == 1) {
    return shape.is_signed ? static_cast<std::int64_t>(static_cast<signed char>(*at))
                           : static_cast<std::int64_t>(static_cast<unsigned char>(*at));
  }
  if (shape.bytes_per_sample == 2) {
    std::uint16_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return shape.is_signed ? static_cast<std::int64_t>(static_cast<std::int16_t>(value)) : value;
  }
  std::uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return shape.is_signed ? static_cast<std::int64_t>(static_cast<std::int32_t>(value)) : value;
}

std::uint8_t clamp_byte(double value) {
  return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
}

/// The linear window function of PS3.3 C.11.2.1.2.1, onto 0…255.
std::uint8_t windowed(double value, const GreyScale& scale) {
  const double width = std::max(scale.window_width, 1.0 + 1e-6);
  return clamp_byte(((value - (scale.window_centre - 0.5)) / (width - 1.0) + 0.5) * 255.0);
}

void ybr_to_rgb(double y, double cb, double cr, std::uint8_t* rgb) {
  rgb[0] = clamp_byte(y + 1.402 * (cr - 128.0));
  rgb[1] = clamp_byte(y - 0.344136 * (cb - 128.0) - 0.714136 * (cr - 128.0));
  rgb[2] = clamp_byte(y + 1.772 * (cb - 128.0));
}

}  // namespace

Frames to_grey8(const std::vector<char>& raw, const ImageShape& shape, const GreyScale& scale,
                bool invert) {
  require_bytes(raw, shape);
  Frames frames = frames_of(shape, 1);
  const std::int64_t lowest = shape.is_signed ? -(std::int64_t{1} << (shape.bits_stored - 1)) : 0;
  const double range = static_cast<double>((std::int64_t{1} << shape.bits_stored) - 1);
  const bool plain = shape.bits_stored <= 8;
  for (std::size_t i = 0; i < frames.pixels.size(); ++i) {
    const std::int64_t stored = sample_at(raw.data(), shape, i);
    std::uint8_t grey = 0;
    if (scale.has_window && !plain) {
      grey = windowed(static_cast<double>(stored) * scale.slope + scale.intercept, scale);
    } else if (plain) {
      grey = clamp_byte(static_cast<double>(stored - lowest));
    } else {
      grey = clamp_byte(static_cast<double>(stored - lowest) / range * 255.0);
    }
    frames.pixels[i] = invert ? static_cast<std::uint8_t>(255 - grey) : grey;
  }
  return frames;
}

Frames to_rgb8(const std::vector<char>& raw, const ImageShape& shape, ColourSpace space) {
  if (shape.samples != 3) throw DataError("a colour DICOM image must have 3 samples per pixel");
  require_bytes(raw, shape);
  Frames frames = frames_of(shape, 3);
  const auto plane = static_cast<std::size_t>(shape.columns * shape.rows);
  const int shift = std::max(shape.bits_stored - 8, 0);
  for (std::size_t t = 0; t < static_cast<std::size_t>(shape.frames); ++t) {
    std::uint8_t* out = frames.frame(static_cast<std::int64_t>(t));
    const std::size_t base = t * plane * 3;
    for (std::size_t p = 0; p < plane; ++p) {
      double value[3];
      for (std::size_t c = 0; c < 3; ++c) {
        const std::size_t index = shape.planar ? base + c * plane + p : base + p * 3 + c;
        value[c] = static_cast<double>(sample_at(raw.data(), shape, index) >> shift);
      }
      if (space == ColourSpace::kYbrFull) {
        ybr_to_rgb(value[0], value[1], value[2], out + p * 3);
      } else {
        for (std::size_t c = 0; c < 3; ++c) out[p * 3 + c] = clamp_byte(value[c]);
      }
    }
  }
  return frames;
}

}  // namespace echopath::io
