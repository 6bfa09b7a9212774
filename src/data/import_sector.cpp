#include "data/import_sector.hpp"

#include <algorithm>
#include <opencv2/imgproc.hpp>

namespace echopath::data {
namespace {

/// Frames looked at; more add nothing.
constexpr std::int64_t kSampledFrames = 48;
/// Change over time (grey levels, of a 3×3 average) that is surely tissue: this share of the
/// strongest change, and at least so much.
constexpr double kSureShare = 0.06;
constexpr double kSureChange = 4.0;
/// The dim edges of a sector change by less. Lower thresholds are tried, as shares of the sure one,
/// while the image grows by no more than this: past it, compression noise around text has joined.
constexpr double kLowerShares[] = {0.3, 0.45, 0.65};
constexpr double kLeastChange = 3.0;
constexpr double kLargestGrowth = 1.6;
/// Speckle changes in nearly every frame; traces, counters and the compression noise around them
/// only when they move. A pixel counts that changes in this share of the steps.
constexpr double kSteadyShare = 0.3;
/// A still's image against its background.
constexpr double kLeastBrightness = 8.0;
/// A part belongs to the image where it has this share of the largest part's area (an ECG trace
/// sweeps over a tenth of a sector's).
constexpr double kPartShare = 0.25;
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

/// How each pixel's 3×3 average behaves over the sampled frames.
struct Activity {
  cv::Mat range;   ///< CV_8U, largest minus smallest value
  cv::Mat steady;  ///< CV_8U, 255 where it changes in a good share of the steps
};

Activity activity_of(const io::Frames& grey) {
  const std::int64_t sampled = std::min(grey.count, kSampledFrames);
  cv::Mat lowest;
  cv::Mat highest;
  cv::Mat previous;
  cv::Mat changes;
  for (std::int64_t i = 0; i < sampled; ++i) {
    cv::Mat smooth;
    cv::blur(frame_of(grey, i * (grey.count - 1) / (sampled - 1)), smooth, {3, 3});
    if (i == 0) {
      lowest = smooth.clone();
      highest = smooth.clone();
      changes = cv::Mat::zeros(smooth.size(), CV_8U);
    } else {
      cv::min(lowest, smooth, lowest);
      cv::max(highest, smooth, highest);
      changes += (smooth != previous) / 255;
    }
    previous = smooth;
  }
  const double least = kSteadyShare * static_cast<double>(sampled - 1);
  return {highest - lowest, changes >= least};
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

cv::Mat without_holes(const cv::Mat& mask) {
  std::vector<std::vector<cv::Point>> outlines;
  cv::findContours(mask, outlines, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_NONE);
  cv::Mat filled = cv::Mat::zeros(mask.size(), CV_8U);
  cv::drawContours(filled, outlines, -1, cv::Scalar(255), cv::FILLED);
  return filled;
}

/// The parts of a mask that are not small beside its largest.
cv::Mat large_parts(const cv::Mat& mask) {
  cv::Mat labels;
  cv::Mat stats;
  cv::Mat centres;
  const int count = cv::connectedComponentsWithStats(mask, labels, stats, centres, 8);
  int largest = 0;
  for (int i = 1; i < count; ++i) largest = std::max(largest, stats.at<int>(i, cv::CC_STAT_AREA));
  cv::Mat parts = cv::Mat::zeros(mask.size(), CV_8U);
  for (int i = 1; i < count; ++i) {
    if (stats.at<int>(i, cv::CC_STAT_AREA) >= kPartShare * largest) parts.setTo(255, labels == i);
  }
  return parts;
}

/// Convex hull of what is large: strokes of text go first, then what is thin once dark blood is
/// filled in (traces, bars, and the bridges that compression noise builds to them).
cv::Mat hull_of_large_parts(const cv::Mat& candidates, const io::Frames& grey) {
  cv::Mat parts;
  cv::morphologyEx(candidates, parts, cv::MORPH_OPEN, ellipse(kernel_size(grey, 0.012)));
  cv::Mat joined;
  cv::morphologyEx(parts, joined, cv::MORPH_CLOSE, ellipse(kernel_size(grey, 0.025)));
  cv::Mat core;
  cv::morphologyEx(without_holes(joined), core, cv::MORPH_OPEN, ellipse(kernel_size(grey, 0.08)));
  // Opening rounds corners off; what lies close to the core is taken back.
  cv::Mat near_core;
  cv::dilate(large_parts(core), near_core, ellipse(kernel_size(grey, 0.04)));
  std::vector<cv::Point> points;
  cv::findNonZero(parts & near_core, points);
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

/// The hull of what changes over time: the widest that is still near the sure one.
cv::Mat moving_part(const io::Frames& grey, const cv::Mat& regions) {
  const Activity activity = activity_of(grey);
  const auto hull_at = [&](double threshold) -> cv::Mat {
    const cv::Mat moving = (activity.range >= threshold) & activity.steady & regions;
    return hull_of_large_parts(moving, grey) & regions;
  };
  const double sure = std::max(kSureChange, kSureShare * percentile(activity.range, 0.99));
  const cv::Mat sure_hull = hull_at(sure);
  for (const double share : kLowerShares) {
    const cv::Mat hull = hull_at(std::max(kLeastChange, share * sure));
    if (cv::countNonZero(hull) <= kLargestGrowth * cv::countNonZero(sure_hull)) return hull;
  }
  return sure_hull;
}

}  // namespace

std::optional<Sector> find_sector(const io::Frames& grey,
                                  const std::vector<io::DicomRegion>& regions_2d) {
  if (grey.count < 1) return std::nullopt;
  const cv::Mat regions = region_mask(grey, regions_2d);
  cv::Mat mask;
  if (grey.count > 1) mask = moving_part(grey, regions);
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
