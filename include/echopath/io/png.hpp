#pragma once

#include <string>

namespace cv {
class Mat;
}

namespace echopath::io {

/// The bytes of a PNG file of a picture, 8 bits, grey or BGR. Our own code writes them then: libpng
/// would tell of a full disk on standard error, in its own words.
std::string png_of(const cv::Mat& picture);

}  // namespace echopath::io
