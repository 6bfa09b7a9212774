#include "echopath/io/media_support.hpp"

#include <gdcmVersion.h>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/avutil.h>
}

namespace echopath::io {

MediaSupport media_support() {
  MediaSupport support;
  support.ffmpeg_version = av_version_info();
  support.encoders = {{"libx264", "H.264 MP4, what `sample` writes"},
                      {"ffv1", "lossless AVI, what `import` and `phantom` write"},
                      {"gif", "animated GIF"}};
  for (EncoderSupport& encoder : support.encoders) {
    encoder.available = avcodec_find_encoder_by_name(encoder.name.c_str()) != nullptr;
  }
  support.gdcm_version = gdcm::Version::GetVersion();
  return support;
}

}  // namespace echopath::io
