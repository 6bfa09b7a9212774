#include <cstring>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/video.hpp"
#include "io/libav.hpp"

namespace echopath::io {
namespace {

/// A clip longer than this is not an echocardiogram; it guards against files that decode forever.
constexpr std::size_t kMaxBytes = std::size_t{16} << 30;

struct InputDeleter {
  void operator()(AVFormatContext* p) const { avformat_close_input(&p); }
};
using InputPtr = std::unique_ptr<AVFormatContext, InputDeleter>;

InputPtr open_input(const fs::path& path) {
  silence_libav();
  require_file(path, "video");
  AVFormatContext* raw = nullptr;
  int code = avformat_open_input(&raw, path.c_str(), nullptr, nullptr);
  if (code < 0) {
    throw DataError("video '" + path.string() + "' cannot be opened: " + libav_reason(code));
  }
  InputPtr input(raw);
  code = avformat_find_stream_info(input.get(), nullptr);
  if (code < 0) {
    throw DataError("video '" + path.string() + "' cannot be read: " + libav_reason(code));
  }
  return input;
}

bool is_grey(AVPixelFormat format) {
  return format == AV_PIX_FMT_GRAY8 || format == AV_PIX_FMT_GRAY8A;
}

/// Converts decoded frames to packed grey or RGB and appends them.
class FrameCollector {
 public:
  FrameCollector(Frames& frames, int channels, std::string name)
      : frames_(frames), channels_(channels), name_(std::move(name)) {}

  void add(const AVFrame& frame) {
    if (frames_.count == 0) {
      frames_.height = frame.height;
      frames_.width = frame.width;
      frames_.channels = channels_;
    } else if (frame.height != frames_.height || frame.width != frames_.width) {
      throw DataError("video '" + name_ + "' changes its frame size in the middle");
    }
    const auto size = static_cast<std::size_t>(frames_.frame_size());
    if (frames_.pixels.size() + size > kMaxBytes) {
      throw DataError("video '" + name_ + "' decodes to more than 16 GB; cut it first");
    }
    frames_.pixels.resize(frames_.pixels.size() + size);
    ++frames_.count;
    convert(frame, frames_.frame(frames_.count - 1));
  }

 private:
  void convert(const AVFrame& frame, std::uint8_t* target) {
    const auto format = static_cast<AVPixelFormat>(frame.format);
    const auto row = static_cast<std::size_t>(frame.width * channels_);
    if (channels_ == 1 && format == AV_PIX_FMT_GRAY8) {
      for (int y = 0; y < frame.height; ++y) {
        std::memcpy(target + static_cast<std::size_t>(y) * row,
                    frame.data[0] + y * frame.linesize[0], row);
      }
      return;
    }
    const AVPixelFormat wanted = channels_ == 1 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24;
    scaler_.reset(sws_getCachedContext(scaler_.release(), frame.width, frame.height, format,
                                       frame.width, frame.height, wanted,
                                       SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, nullptr,
                                       nullptr, nullptr));
    if (!scaler_) throw DataError("video '" + name_ + "' has a pixel format that cannot be read");
    const int full = frame.color_range == AVCOL_RANGE_JPEG || is_grey(format) ? 1 : 0;
    const int* matrix = sws_getCoefficients(SWS_CS_ITU601);
    sws_setColorspaceDetails(scaler_.get(), matrix, full, matrix, 1, 0, 1 << 16, 1 << 16);
    std::uint8_t* planes[4] = {target, nullptr, nullptr, nullptr};
    const int strides[4] = {static_cast<int>(row), 0, 0, 0};
    sws_scale(scaler_.get(), frame.data, frame.linesize, 0, frame.height, planes, strides);
  }

  Frames& frames_;
  int channels_;
  std::string name_;
  ScalerPtr scaler_;
};

CodecContextPtr open_decoder(const AVStream& stream, const std::string& name) {
  const AVCodec* codec = avcodec_find_decoder(stream.codecpar->codec_id);
  if (codec == nullptr) throw DataError("video '" + name + "' has a codec that FFmpeg cannot decode");
  CodecContextPtr context(avcodec_alloc_context3(codec));
  avcodec_parameters_to_context(context.get(), stream.codecpar);
  context->thread_count = 1;
  const int code = avcodec_open2(context.get(), codec, nullptr);
  if (code < 0) throw DataError("video '" + name + "' cannot be decoded: " + libav_reason(code));
  return context;
}

double frame_rate(const AVStream& stream) {
  const AVRational rate =
      stream.avg_frame_rate.num > 0 ? stream.avg_frame_rate : stream.r_frame_rate;
  return rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0.0;
}

/// Hands a packet (null: flush) to the decoder and collects what comes out.
void decode(AVCodecContext& decoder, const AVPacket* packet, AVFrame& frame,
            FrameCollector& collector, const std::string& name) {
  int code = avcodec_send_packet(&decoder, packet);
  while (code >= 0) {
    code = avcodec_receive_frame(&decoder, &frame);
    if (code < 0) break;
    collector.add(frame);
    av_frame_unref(&frame);
  }
  if (code != AVERROR(EAGAIN) && code != AVERROR_EOF) {
    throw DataError("video '" + name + "' is damaged: " + libav_reason(code));
  }
}

}  // namespace

Frames read_video(const std::filesystem::path& path, int channels) {
  const InputPtr input = open_input(path);
  const std::string name = path.string();
  const int index = av_find_best_stream(input.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (index < 0) throw DataError("video '" + name + "' has no video stream");
  const AVStream& stream = *input->streams[index];
  const CodecContextPtr decoder = open_decoder(stream, name);
  Frames frames;
  frames.fps = frame_rate(stream);
  FrameCollector collector(frames, channels, name);
  const PacketPtr packet(av_packet_alloc());
  const FramePtr frame(av_frame_alloc());
  int code = 0;
  while ((code = av_read_frame(input.get(), packet.get())) >= 0) {
    if (packet->stream_index == index) decode(*decoder, packet.get(), *frame, collector, name);
    av_packet_unref(packet.get());
  }
  if (code != AVERROR_EOF) throw DataError("video '" + name + "' is damaged: " + libav_reason(code));
  decode(*decoder, nullptr, *frame, collector, name);
  if (frames.count == 0) throw DataError("video '" + name + "' has no frames");
  return frames;
}

std::map<std::string, std::string> read_video_metadata(const std::filesystem::path& path) {
  const InputPtr input = open_input(path);
  std::map<std::string, std::string> metadata;
  const AVDictionaryEntry* entry = nullptr;
  while ((entry = av_dict_get(input->metadata, "", entry, AV_DICT_IGNORE_SUFFIX)) != nullptr) {
    metadata[entry->key] = entry->value;
  }
  return metadata;
}

}  // namespace echopath::io
