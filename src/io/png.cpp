#include "echopath/io/png.hpp"

#include <c10/util/Exception.h>

#include <cstdint>
#include <opencv2/imgcodecs.hpp>
#include <vector>

namespace echopath::io {

std::string png_of(const cv::Mat& picture) {
  std::vector<std::uint8_t> bytes;
  TORCH_CHECK(cv::imencode(".png", picture, bytes), "a picture could not be made a PNG");
  return {bytes.begin(), bytes.end()};
}

}  // namespace echopath::io
