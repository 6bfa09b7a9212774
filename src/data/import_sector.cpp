#include "data/import_sector.hpp"

#include <algorithm>
#include <opencv2/imgproc.hpp>

namespace echopath::data {
namespace {

/// Frames looked at; more add nothing.
constexpr std::int64_t kSampledFrames = 48;
/// Change over time (grey levels, of a 3×3 average) that noise in a dark sector shows and video
/// compression around static text seldom does; relative to the strongest change, and at least.
constexpr double kChangeShare = 0.02;
constexpr double kLeastChange = 2.0;
/// A still's image against its background.
constexpr double kLeastBrightness = 8.0;
/// A part belongs to the image where it has this share of the largest part's area.
constexpr double kPartShare = 0.08;
/// Less of the frame than this is not an image.
constexpr double kLeastArea = 0.03;

cv::Mat frame_of(const io::Frames& grey, std::int64_t t) {
  return cv::Mat(static_cast<int>(grey.height), static_cast<int>(grey.width), CV_8U,
                 const_cast<std::uint8_t*>(grey.frame(t)));
}

/// An odd kernel size in proportion to the frame, so that text strokes are thin at any resolution.
int kernel_size(const io::Frames& grey, double share) {
  const double shorter = static_cast<double>(std::min(grey.height, grey.width));
  return std::max(3, static_cast<int>(shorter * share) | 1);
}

cv::Mat ellipse(int size) {
  return cv::getStructuringElement(cv::MORPH_ELLIPSE, {size, size});
}

/// Largest minus smallest value over time of each pixel's 3×3 average.
cv::Mat change_over_time(const io::Frames& grey) {
  cv::Mat lowest;
  cv::Mat highest;
  const std::int64_t sampled = std::min(grey.count, kSampledFrames);
  for (std::int64_t i = 0; i < sampled; ++i) {
    const std::int64_t t = sampled < 2 ? 0 : i * (grey.count - 1) / (sampled - 1);
    cv::Mat smooth;
    cv::blur(frame_of(grey, t), smooth, {3, 3});
    if (lowest.empty()) {
      lowest = smooth.clone();
      highest = smooth.clone();
    } else {
      cv::min(lowest, smooth, lowest);
      cv::max(highest, smooth, highest);
    }
  }
  return highest - lowest;
}

double percentile(const cv::Mat& image, double share) {
  std::vector<std::uint8_t> values(image.begin<std::uint8_t>(), image.end<std::uint8_t>());
  const auto nth = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + nth, values.end());
  return values[static_cast<std::size_t>(nth)];
}

cv::Mat region_mask(const io::Frames& grey, const std::vector<io::DicomRegion>& regions) {
  cv::Mat mask(static_cast<int>(grey.height), static_cast<int>(grey.width), CV_8U,
               cv::Scalar(regions.empty() ? 255 : 0));
  for (const io::DicomRegion& r : regions) {
    mask(cv::Rect(static_cast<int>(r.min_x), static_cast<int>(r.min_y),
                  static_cast<int>(r.max_x - r.min_x + 1), static_cast<int>(r.max_y - r.min_y + 1)))
        .setTo(255);
  }
  return mask;
}

/// Drops what is thin, joins what is close, keeps the large parts, and draws their convex hull.
cv::Mat hull_of_large_parts(const cv::Mat& candidates, const io::Frames& grey) {
  cv::Mat parts;
  cv::morphologyEx(candidates, parts, cv::MORPH_OPEN, ellipse(kernel_size(grey, 0.012)));
  // Joined only for choosing the parts: joining thickens what lies near.
  cv::Mat joined;
  cv::morphologyEx(parts, joined, cv::MORPH_CLOSE, ellipse(kernel_size(grey, 0.025)));
  cv::Mat labels;
  cv::Mat stats;
  cv::Mat centres;
  const int count = cv::connectedComponentsWithStats(joined, labels, stats, centres, 8);
  int largest = 0;
  for (int i = 1; i < count; ++i) largest = std::max(largest, stats.at<int>(i, cv::CC_STAT_AREA));
  std::vector<cv::Point> points;
  for (int i = 1; i < count; ++i) {
    if (stats.at<int>(i, cv::CC_STAT_AREA) < kPartShare * largest) continue;
    std::vector<cv::Point> own;
    cv::findNonZero((labels == i) & (parts > 0), own);
    points.insert(points.end(), own.begin(), own.end());
  }
  cv::Mat mask = cv::Mat::zeros(candidates.size(), CV_8U);
  if (points.size() < 3) return mask;
  std::vector<cv::Point> hull;
  cv::convexHull(points, hull);
  cv::fillConvexPoly(mask, hull, cv::Scalar(255));
  return mask;
}

bool large_enough(const cv::Mat& mask) {
  return cv::countNonZero(mask) >= kLeastArea * static_cast<double>(mask.total());
}

}  // namespace

std::optional<Sector> find_sector(const io::Frames& grey,
                                  const std::vector<io::DicomRegion>& regions_2d) {
  if (grey.count < 1) return std::nullopt;
  const cv::Mat regions = region_mask(grey, regions_2d);
  cv::Mat mask;
  if (grey.count > 1) {
    const cv::Mat change = change_over_time(grey);
    const double threshold = std::max(kLeastChange, kChangeShare * percentile(change, 0.99));
    mask = hull_of_large_parts((change >= threshold) & regions, grey) & regions;
  }
  if (mask.empty() || !large_enough(mask)) {
    mask = hull_of_large_parts((frame_of(grey, 0) >= kLeastBrightness) & regions, grey) & regions;
  }
  if (!large_enough(mask)) return std::nullopt;
  Sector sector;
  sector.bounds = cv::boundingRect(mask);
  sector.mask = mask;
  return sector;
}

}  // namespace echopath::data
