#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <filesystem>
#include <memory>
#include <string>

namespace echopath::io {

struct LibavDeleter {
  void operator()(AVCodecContext* p) const { avcodec_free_context(&p); }
  void operator()(AVFrame* p) const { av_frame_free(&p); }
  void operator()(AVPacket* p) const { av_packet_free(&p); }
  void operator()(SwsContext* p) const { sws_freeContext(p); }
};
using CodecContextPtr = std::unique_ptr<AVCodecContext, LibavDeleter>;
using FramePtr = std::unique_ptr<AVFrame, LibavDeleter>;
using PacketPtr = std::unique_ptr<AVPacket, LibavDeleter>;
using ScalerPtr = std::unique_ptr<SwsContext, LibavDeleter>;

/// Conversion of pixels that gives the same bytes on every processor.
inline constexpr int kScalerFlags =
    SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_BITEXACT;

/// FFmpeg's words for an error code.
inline std::string libav_reason(int code) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(code, text, sizeof(text));
  return text;
}

/// Keeps FFmpeg off standard error: its reasons are in our errors.
inline void silence_libav() {
  av_log_set_level(AV_LOG_QUIET);
}

/// The path as FFmpeg's file protocol, so that no name is taken for another protocol.
inline std::string libav_url(const std::filesystem::path& path) {
  return "file:" + path.string();
}

}  // namespace echopath::io
