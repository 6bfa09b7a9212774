#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace echopath::io {

/// Luma of a full-range RGB pixel (ITU-R BT.601: 0.299, 0.587, 0.114), rounded. Grey stays exactly
/// itself.
inline std::uint8_t luma(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return static_cast<std::uint8_t>((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16);
}

using ByteTable = std::array<std::uint8_t, 256>;

/// Video levels 16…235 to full levels 0…255 (ITU-R BT.601), rounded; what lies outside is clamped.
inline ByteTable video_to_full_levels() {
  ByteTable table;
  for (int level = 0; level < 256; ++level) {
    const int inside = std::clamp(level, 16, 235) - 16;
    table[static_cast<std::size_t>(level)] = static_cast<std::uint8_t>((inside * 255 + 109) / 219);
  }
  return table;
}

/// Full levels 0…255 to video levels 16…235, rounded.
inline ByteTable full_to_video_levels() {
  ByteTable table;
  for (int level = 0; level < 256; ++level) {
    table[static_cast<std::size_t>(level)] =
        static_cast<std::uint8_t>(16 + (level * 219 + 127) / 255);
  }
  return table;
}

}  // namespace echopath::io
