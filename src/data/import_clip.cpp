#include "data/import_clip.hpp"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "data/import_sector.hpp"
#include "data/import_timing.hpp"
#include "echopath/core/errors.hpp"

namespace echopath::data {
namespace {

/// The window leaves out this share of the clip's pixels at either end: single hot pixels and
/// overlays should not set the scale.
constexpr double kWindowTail = 0.001;

cv::Mat view_of(const io::Frames& frames, std::int64_t t) {
  return cv::Mat(static_cast<int>(frames.height), static_cast<int>(frames.width),
                 frames.channels == 3 ? CV_8UC3 : CV_8UC1,
                 const_cast<std::uint8_t*>(frames.frame(t)));
}

/// BT.601 luma.
io::Frames to_grey(const io::Frames& frames) {
  io::Frames grey = frames;
  if (frames.channels == 1) return grey;
  grey.channels = 1;
  grey.pixels.resize(static_cast<std::size_t>(grey.count * grey.frame_size()));
  for (std::int64_t t = 0; t < grey.count; ++t) {
    cv::Mat out = view_of(grey, t);
    cv::cvtColor(view_of(frames, t), out, cv::COLOR_RGB2GRAY);
  }
  return grey;
}

/// The largest square around the middle of `area`, inside it.
cv::Rect centre_square(const cv::Rect& area) {
  const int side = std::min(area.width, area.height);
  return {area.x + (area.width - side) / 2, area.y + (area.height - side) / 2, side, side};
}

cv::Mat resized(const cv::Mat& image, cv::Size size) {
  if (image.size() == size) return image.clone();
  const bool shrinks = size.width <= image.cols && size.height <= image.rows;
  cv::Mat out;
  cv::resize(image, out, size, 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  return out;
}

/// `area` of a frame as a square of the target size.
cv::Mat to_square(const cv::Mat& frame, const cv::Rect& area, const ClipOptions& options) {
  const int size = static_cast<int>(options.size);
  if (options.aspect == Aspect::kCrop) return resized(frame(centre_square(area)), {size, size});
  if (options.aspect == Aspect::kSquash) return resized(frame(area), {size, size});
  const double scale = static_cast<double>(size) / std::max(area.width, area.height);
  const cv::Size inner(std::clamp(static_cast<int>(std::lround(area.width * scale)), 1, size),
                       std::clamp(static_cast<int>(std::lround(area.height * scale)), 1, size));
  cv::Mat square(size, size, frame.type(), cv::Scalar(0));
  const cv::Rect place((size - inner.width) / 2, (size - inner.height) / 2, inner.width,
                       inner.height);
  resized(frame(area), inner).copyTo(square(place));
  return square;
}

/// The published preparation: each frame stretched to 0…255 and truncated.
void stretch_frame(cv::Mat& frame) {
  double low = 0.0;
  double high = 0.0;
  cv::minMaxLoc(frame, &low, &high);
  if (high <= low) return;
  frame = (frame - low) * (255.0 / (high - low));
  frame.forEach<float>([](float& value, const int*) { value = std::floor(value); });
}

float nth_value(std::vector<float>& values, double share) {
  const auto nth = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + nth, values.end());
  return values[static_cast<std::size_t>(nth)];
}

/// One window for all frames. Black stays black: the background is no part of the window's low end
/// unless the whole clip is brighter.
void window_clip(std::vector<cv::Mat>& frames) {
  std::vector<float> values;
  for (const cv::Mat& frame : frames)
    values.insert(values.end(), frame.begin<float>(), frame.end<float>());
  const float low = nth_value(values, kWindowTail);
  const float high = nth_value(values, 1.0 - kWindowTail);
  if (high - low < 1.0f) return;
  for (cv::Mat& frame : frames) frame = (frame - low) * (255.0 / (high - low));
}

/// Masked frames as float squares of the target size, at the source's own times.
std::vector<cv::Mat> square_frames(const io::Frames& grey, const DecodedClip& clip,
                                   const ClipOptions& options) {
  cv::Mat mask(static_cast<int>(grey.height), static_cast<int>(grey.width), CV_8U, cv::Scalar(255));
  cv::Rect area(0, 0, static_cast<int>(grey.width), static_cast<int>(grey.height));
  const bool has_target_size = grey.width == options.size && grey.height == options.size;
  if (options.mask_sector) {
    const std::optional<Sector> sector = find_sector(grey, clip.regions_2d);
    if (!sector) {
      throw DataError(
          "no ultrasound image was found in the frames; look at the file, or import "
          "it with --mask none");
    }
    mask = sector->mask;
    // A video that has the target size already keeps its geometry.
    if (!has_target_size) area = sector->bounds;
  }
  std::vector<cv::Mat> frames;
  for (std::int64_t t = 0; t < grey.count; ++t) {
    cv::Mat masked =
        cv::Mat::zeros(static_cast<int>(grey.height), static_cast<int>(grey.width), CV_8U);
    view_of(grey, t).copyTo(masked, mask);
    cv::Mat values;
    masked.convertTo(values, CV_32F);
    if (options.intensity == Intensity::kFrame) stretch_frame(values);
    frames.push_back(to_square(values, area, options));
  }
  return frames;
}

}  // namespace

io::Frames prepare_clip(const DecodedClip& clip, double source_fps, const ClipOptions& options) {
  std::vector<cv::Mat> frames = square_frames(to_grey(clip.frames), clip, options);
  if (options.intensity == Intensity::kClip) window_clip(frames);
  const SourceTiming timing{clip.frames.count, source_fps, clip.frame_seconds};
  const std::vector<TimePoint> points = resample_in_time(timing, options.fps, options.linear);
  io::Frames out;
  out.count = static_cast<std::int64_t>(points.size());
  out.height = out.width = options.size;
  out.fps = options.fps;
  out.pixels.resize(static_cast<std::size_t>(out.count * out.frame_size()));
  for (std::int64_t k = 0; k < out.count; ++k) {
    const TimePoint& point = points[static_cast<std::size_t>(k)];
    cv::Mat blended;
    cv::addWeighted(frames[static_cast<std::size_t>(point.before)], 1.0 - point.weight,
                    frames[static_cast<std::size_t>(point.after)], point.weight, 0.0, blended);
    cv::Mat target = view_of(out, k);
    blended.convertTo(target, CV_8U);  // rounds and saturates
  }
  return out;
}

}  // namespace echopath::data
