#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <cstdarg>
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

/// Catches what FFmpeg would print, on this thread for as long as it lives. FFmpeg prints nothing
/// from the first one on.
class LibavMessages {
 public:
  LibavMessages();
  ~LibavMessages();
  LibavMessages(const LibavMessages&) = delete;
  LibavMessages& operator=(const LibavMessages&) = delete;

  /// The first line of level error that this thread's innermost catcher got, or nothing.
  static std::string first_error();

 private:
  static void receive(void* sender, int level, const char* format, va_list arguments);

  std::string first_error_;
  LibavMessages* outer_;
};

/// FFmpeg's words for an error code, with the first error that was caught.
std::string libav_reason(int code);

/// The path as FFmpeg's file protocol, so that no name is taken for another protocol.
inline std::string libav_url(const std::filesystem::path& path) {
  return "file:" + path.string();
}

}  // namespace echopath::io
