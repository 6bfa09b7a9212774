#pragma once

#include <string>
#include <vector>

namespace echopath::io {

/// Whether an encoder that we write with is there.
struct EncoderSupport {
  std::string name;     ///< FFmpeg's name: libx264, ffv1, gif
  std::string purpose;  ///< what lacks without it
  bool available = false;
};

/// The codec libraries that this program runs with.
struct MediaSupport {
  std::string ffmpeg_version;
  std::vector<EncoderSupport> encoders;
  std::string gdcm_version;
};

MediaSupport media_support();

}  // namespace echopath::io
