#include "io/video_frames.hpp"

#include <cstring>

#include "echopath/core/errors.hpp"

namespace echopath::io {
namespace {

/// A clip longer than this is not an echocardiogram; it guards against files that decode forever.
constexpr std::size_t kMaxBytes = std::size_t{16} << 30;

/// Whether the first component is 8-bit luma, or grey, that can be read where it lies.
bool has_byte_luma(const AVPixFmtDescriptor& format) {
  constexpr std::uint64_t kOther = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL |
                                   AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM |
                                   AV_PIX_FMT_FLAG_BAYER;
  return (format.flags & kOther) == 0 && format.comp[0].depth == 8 && format.comp[0].shift == 0;
}

/// Whether the values run from 0 to 255 and not, as video levels do, from 16 to 235. Grey and
/// MJPEG's formats do where the stream does not say otherwise.
bool is_full_range(const AVFrame& frame) {
  switch (frame.format) {
    case AV_PIX_FMT_GRAY8:
    case AV_PIX_FMT_YA8:
      return frame.color_range != AVCOL_RANGE_MPEG;
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ411P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ444P:
      return true;
    default:
      return frame.color_range == AVCOL_RANGE_JPEG;
  }
}

void read_luma(const AVFrame& frame, const AVComponentDescriptor& luma_of, const ByteTable* levels,
               std::uint8_t* target) {
  for (int y = 0; y < frame.height; ++y) {
    const std::uint8_t* row = frame.data[luma_of.plane] +
                              static_cast<std::ptrdiff_t>(y) * frame.linesize[luma_of.plane] +
                              luma_of.offset;
    for (int x = 0; x < frame.width; ++x) {
      const std::uint8_t value = row[static_cast<std::ptrdiff_t>(x) * luma_of.step];
      *target++ = levels == nullptr ? value : (*levels)[value];
    }
  }
}

}  // namespace

FrameCollector::FrameCollector(Frames& frames, int channels, std::string name)
    : frames_(frames), name_(std::move(name)) {
  frames_.channels = channels;
}

void FrameCollector::add(const AVFrame& frame) {
  if (frames_.count == 0) {
    frames_.height = frame.height;
    frames_.width = frame.width;
  } else if (frame.height != frames_.height || frame.width != frames_.width) {
    throw DataError("video '" + name_ + "' changes its frame size in the middle");
  }
  const auto size = static_cast<std::size_t>(frames_.frame_size());
  if (frames_.pixels.size() + size > kMaxBytes) {
    throw DataError("video '" + name_ + "' decodes to more than 16 GB; cut it first");
  }
  frames_.pixels.resize(frames_.pixels.size() + size);
  std::uint8_t* target = frames_.frame(frames_.count++);
  if (frames_.channels == 1) {
    convert_to_grey(frame, target);
  } else {
    convert_to_rgb(frame, target);
  }
}

void FrameCollector::convert_to_grey(const AVFrame& frame, std::uint8_t* target) {
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  if (format != nullptr && has_byte_luma(*format)) {
    read_luma(frame, format->comp[0], is_full_range(frame) ? nullptr : &full_levels_, target);
    return;
  }
  std::vector<std::uint8_t> rgb(static_cast<std::size_t>(frames_.frame_size()) * 3);
  convert_to_rgb(frame, rgb.data());
  for (std::size_t i = 0; i < rgb.size(); i += 3) *target++ = luma(rgb[i], rgb[i + 1], rgb[i + 2]);
}

void FrameCollector::convert_to_rgb(const AVFrame& frame, std::uint8_t* target) {
  const auto format = static_cast<AVPixelFormat>(frame.format);
  scaler_.reset(sws_getCachedContext(scaler_.release(), frame.width, frame.height, format,
                                     frame.width, frame.height, AV_PIX_FMT_RGB24, kScalerFlags,
                                     nullptr, nullptr, nullptr));
  if (!scaler_) throw DataError("video '" + name_ + "' has a pixel format that cannot be read");
  const int* matrix = sws_getCoefficients(frame.colorspace);
  sws_setColorspaceDetails(scaler_.get(), matrix, is_full_range(frame) ? 1 : 0,
                           sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
  std::uint8_t* planes[4] = {target, nullptr, nullptr, nullptr};
  const int strides[4] = {frame.width * 3, 0, 0, 0};
  sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, planes, strides);
}

}  // namespace echopath::io
