#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace echopath::io {

/// 8-bit frames, layout [T, H, W, C] row-major; C is 1 (grey) or 3 (RGB).
struct Frames {
  std::int64_t count = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 1;
  double fps = 0.0;  ///< frames per second, 0 where the source states none
  std::vector<std::uint8_t> pixels;

  std::int64_t frame_size() const { return height * width * channels; }
  std::uint8_t* frame(std::int64_t t) { return pixels.data() + t * frame_size(); }
  const std::uint8_t* frame(std::int64_t t) const { return pixels.data() + t * frame_size(); }
};

}  // namespace echopath::io
