#include "echopath/io/image.hpp"

#include <algorithm>
#include <array>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"

namespace echopath::io {

bool is_image_name(const std::filesystem::path& path) {
  constexpr std::array<const char*, 7> kKnown = {".png", ".jpg",  ".jpeg", ".bmp",
                                                 ".tif", ".tiff", ".webp"};
  const std::string extension = to_lower(path.extension().string());
  return std::find(kKnown.begin(), kKnown.end(), extension) != kKnown.end();
}

Frames read_image(const std::filesystem::path& path, int channels) {
  require_file(path, "picture");
  cv::Mat image;
  try {
    image = cv::imread(path.string(), channels == 3 ? cv::IMREAD_COLOR : cv::IMREAD_GRAYSCALE);
  } catch (const cv::Exception&) {
    // Too large, or damaged in a way that the decoder does not survive: as if it gave nothing.
  }
  if (image.empty()) {
    throw DataError("picture '" + path.string() +
                    "' cannot be decoded; copy it again or take it out");
  }
  if (channels == 3) cv::cvtColor(image, image, cv::COLOR_BGR2RGB);  // OpenCV's files are BGR
  Frames frames;
  frames.count = 1;
  frames.height = image.rows;
  frames.width = image.cols;
  frames.channels = channels;
  frames.pixels.resize(static_cast<std::size_t>(frames.frame_size()));
  for (int row = 0; row < image.rows; ++row) {
    const std::int64_t bytes = frames.width * channels;
    std::copy_n(image.ptr(row), bytes, frames.pixels.data() + row * bytes);
  }
  return frames;
}

}  // namespace echopath::io
