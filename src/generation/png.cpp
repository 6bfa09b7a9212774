#include "generation/png.hpp"

#include <c10/util/Exception.h>

#include <cstdint>
#include <opencv2/imgcodecs.hpp>
#include <vector>

namespace echopath::generation {

std::string png_of(const cv::Mat& picture) {
  std::vector<std::uint8_t> bytes;
  TORCH_CHECK(cv::imencode(".png", picture, bytes), "a picture could not be made a PNG");
  return {bytes.begin(), bytes.end()};
}

}  // namespace echopath::generation
