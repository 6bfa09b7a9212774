#pragma once

#include <string>

#include "echopath/io/frames.hpp"
#include "io/libav.hpp"
#include "io/luma.hpp"

namespace echopath::io {

/// Converts decoded frames to full-range grey or RGB bytes and appends them to `frames`.
class FrameCollector {
 public:
  /// `name` is the file's, for messages.
  FrameCollector(Frames& frames, int channels, std::string name);
  /// Throws DataError where a frame has another size than the first, or the clip grows too large.
  void add(const AVFrame& frame);

 private:
  void convert_to_grey(const AVFrame& frame, std::uint8_t* target);
  void convert_to_rgb(const AVFrame& frame, std::uint8_t* target);

  Frames& frames_;
  std::string name_;
  ScalerPtr scaler_;
  ByteTable full_levels_ = video_to_full_levels();
};

}  // namespace echopath::io
