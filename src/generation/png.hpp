#pragma once

#include <opencv2/core.hpp>
#include <string>

namespace echopath::generation {

/// The bytes of a PNG file of this picture. Our own code writes them then: libpng would tell of a
/// full disk on standard error, in its own words.
std::string png_of(const cv::Mat& picture);

}  // namespace echopath::generation
