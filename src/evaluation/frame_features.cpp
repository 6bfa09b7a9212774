#include "evaluation/frame_features.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace echopath::evaluation {
namespace {

constexpr std::int64_t kFramesAtOnce = 64;

}  // namespace

at::Tensor frame_features(Detector& detector, const io::Frames& frames,
                          const data::FrameRange& range) {
  std::vector<at::Tensor> parts;
  for (std::int64_t first = range.begin; first < range.end; first += kFramesAtOnce) {
    const std::int64_t count = std::min(kFramesAtOnce, range.end - first);
    at::Tensor bytes =
        at::empty({count, 1, frames.height, frames.width, frames.channels}, at::kByte);
    std::memcpy(bytes.mutable_data_ptr<std::uint8_t>(), frames.frame(first),
                static_cast<std::size_t>(count * frames.frame_size()));
    // [n, 1, H, W, C] to [n, 1, C, H, W]
    parts.push_back(detector.run(bytes.permute({0, 1, 4, 2, 3}).contiguous(), false).features);
  }
  return at::cat(parts);
}

}  // namespace echopath::evaluation
