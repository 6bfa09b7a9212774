#include "echopath/evaluation/jpeg.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

namespace echopath::evaluation {

io::Frames through_jpeg(const io::Frames& frames, int quality) {
  TORCH_CHECK(quality >= 1 && quality <= 100, "JPEG quality is 1 to 100, not ", quality);
  const bool colour = frames.channels == 3;
  const std::vector<int> parameters = {cv::IMWRITE_JPEG_QUALITY, quality};
  io::Frames result = frames;
  std::vector<std::uint8_t> file;
  for (std::int64_t t = 0; t < frames.count; ++t) {
    cv::Mat frame(static_cast<int>(frames.height), static_cast<int>(frames.width),
                  colour ? CV_8UC3 : CV_8UC1, result.frame(t));
    cv::Mat image = frame;
    if (colour) cv::cvtColor(frame, image, cv::COLOR_RGB2BGR);  // OpenCV's files are BGR
    TORCH_CHECK(cv::imencode(".jpg", image, file, parameters), "a frame could not be made a JPEG");
    cv::Mat decoded = cv::imdecode(file, colour ? cv::IMREAD_COLOR : cv::IMREAD_GRAYSCALE);
    TORCH_CHECK(decoded.size() == frame.size(), "a JPEG made in memory could not be read back");
    if (colour) cv::cvtColor(decoded, decoded, cv::COLOR_BGR2RGB);
    std::copy(decoded.data, decoded.data + frames.frame_size(), result.frame(t));
  }
  return result;
}

io::Frames frames_to_measure(const io::Frames& frames, Side side,
                             const models::Compatibility& compatibility) {
  if (compatibility.jpeg == "none") return frames;
  return through_jpeg(frames,
                      side == Side::kReal ? kPublishedRealQuality : kPublishedSyntheticQuality);
}

}  // namespace echopath::evaluation
