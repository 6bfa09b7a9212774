#include "echopath/evaluation/anatomy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <opencv2/imgproc.hpp>

#include "echopath/core/statistics.hpp"

namespace echopath::evaluation {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

struct Position {
  double x = 0.0, y = 0.0;
};

/// The pixels of one chamber.
struct Chamber {
  cv::Mat pixels;  ///< bytes, not 0 where it is
  double area = 0.0;
  Position middle;

  bool at(int x, int y) const { return pixels.at<std::uint8_t>(y, x) != 0; }
};

/// The largest connected piece of a label.
Chamber find_chamber(const cv::Mat& map, std::uint8_t label) {
  Chamber chamber;
  cv::Mat pieces, statistics, middles;
  const int count = cv::connectedComponentsWithStats(map == label, pieces, statistics, middles, 4);
  int largest = 0;
  for (int i = 1; i < count; ++i) {
    const double area = statistics.at<int>(i, cv::CC_STAT_AREA);
    if (area <= chamber.area) continue;
    chamber.area = area;
    largest = i;
  }
  if (largest == 0) return chamber;
  chamber.pixels = pieces == largest;
  chamber.middle = {middles.at<double>(largest, 0), middles.at<double>(largest, 1)};
  return chamber;
}

double contact_length(const Chamber& a, const Chamber& b) {
  const auto touch = [&](int x, int y, int u, int v) {
    return (a.at(x, y) && b.at(u, v)) || (b.at(x, y) && a.at(u, v));
  };
  int across = 0, down = 0;
  for (int y = 0; y < a.pixels.rows; ++y) {
    for (int x = 0; x < a.pixels.cols; ++x) {
      if (x + 1 < a.pixels.cols && touch(x, y, x + 1, y)) ++across;
      if (y + 1 < a.pixels.rows && touch(x, y, x, y + 1)) ++down;
    }
  }
  return std::hypot(across, down);
}

/// A chamber's pixels in coordinates along and across a line.
class AlongAxis {
 public:
  AlongAxis(const Chamber& chamber, Position from, Position to) : from_(from) {
    const double length = std::hypot(to.x - from.x, to.y - from.y);
    x_ = (to.x - from.x) / length;
    y_ = (to.y - from.y) / length;
    for (int y = 0; y < chamber.pixels.rows; ++y) {
      for (int x = 0; x < chamber.pixels.cols; ++x) {
        if (!chamber.at(x, y)) continue;
        points_.push_back({along({double(x), double(y)}), across({double(x), double(y)})});
        length_ = std::max(length_, points_.back().x);
      }
    }
  }

  double along(Position p) const { return (p.x - from_.x) * x_ + (p.y - from_.y) * y_; }
  double across(Position p) const { return (p.y - from_.y) * x_ - (p.x - from_.x) * y_; }
  /// Where the pixels end.
  double length() const { return length_; }
  /// x along the line, y across it.
  const std::vector<Position>& points() const { return points_; }
  Position place(double along, double across) const {
    return {from_.x + along * x_ - across * y_, from_.y + along * y_ + across * x_};
  }

 private:
  Position from_;
  double x_ = 0.0, y_ = 1.0;
  double length_ = 0.0;
  std::vector<Position> points_;
};

/// The mean of the hundredth of the pixels that lie farthest from a point.
Position farthest(const Chamber& chamber, Position from) {
  std::vector<std::pair<double, Position>> pixels;
  for (int y = 0; y < chamber.pixels.rows; ++y) {
    for (int x = 0; x < chamber.pixels.cols; ++x) {
      if (chamber.at(x, y)) {
        pixels.push_back({std::hypot(x - from.x, y - from.y), {double(x), double(y)}});
      }
    }
  }
  std::sort(pixels.begin(), pixels.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  const std::size_t count = std::max<std::size_t>(1, pixels.size() / 100);
  Position mean;
  for (std::size_t i = 0; i < count; ++i) {
    mean.x += pixels[i].second.x / static_cast<double>(count);
    mean.y += pixels[i].second.y / static_cast<double>(count);
  }
  return mean;
}

/// The middle of the base: half way between the edges of the LV near its end.
Position base_middle(const AlongAxis& lv) {
  double left = std::numeric_limits<double>::max(), right = -left;
  for (const Position& p : lv.points()) {
    if (p.x < 0.90 * lv.length() || p.x > 0.98 * lv.length()) continue;
    left = std::min(left, p.y);
    right = std::max(right, p.y);
  }
  return lv.place(0.94 * lv.length(), left > right ? 0.0 : 0.5 * (left + right));
}

double eccentricity_of(const Chamber& lv, const Chamber& rv, const Chamber& la) {
  const Position apex = farthest(lv, la.middle);
  Position base = base_middle(AlongAxis(lv, apex, la.middle));
  base = base_middle(AlongAxis(lv, apex, base));
  const AlongAxis axis(lv, apex, base);
  const bool septal_side = axis.across(rv.middle) > 0.0;
  double septal = 0.0, lateral = 0.0;
  for (const Position& p : axis.points()) {
    if (p.x < 0.4 * axis.length() || p.x > 0.7 * axis.length()) continue;
    ((p.y > 0.0) == septal_side ? septal : lateral) += 1.0;
  }
  return septal + lateral == 0.0 ? kNotANumber : 2.0 * lateral / (septal + lateral);
}

/// Means of what is a number.
class Mean {
 public:
  void add(double value) {
    if (std::isnan(value)) return;
    sum_ += value;
    ++count_;
  }
  double value() const { return count_ == 0 ? kNotANumber : sum_ / count_; }

 private:
  double sum_ = 0.0;
  int count_ = 0;
};

}  // namespace

FrameAnatomy measure_frame(const io::Frames& maps, std::int64_t frame,
                           const ChamberLabels& labels) {
  // OpenCV takes a pointer it may write to, and does not.
  const cv::Mat map(static_cast<int>(maps.height), static_cast<int>(maps.width), CV_8U,
                    const_cast<std::uint8_t*>(maps.frame(frame)));
  const Chamber lv = find_chamber(map, labels.lv), rv = find_chamber(map, labels.rv);
  const Chamber la = find_chamber(map, labels.la), ra = find_chamber(map, labels.ra);
  FrameAnatomy anatomy{lv.area, rv.area, kNotANumber, kNotANumber};
  if (la.area > 0 && ra.area > 0) anatomy.septal_gap = contact_length(la, ra);
  if (lv.area > 0 && rv.area > 0 && la.area > 0) anatomy.eccentricity = eccentricity_of(lv, rv, la);
  return anatomy;
}

VideoAnatomy measure_anatomy(const io::Frames& maps, const ChamberLabels& labels) {
  std::vector<FrameAnatomy> frames;
  std::vector<double> areas;
  for (std::int64_t t = 0; t < maps.count; ++t) {
    frames.push_back(measure_frame(maps, t, labels));
    areas.push_back(frames.back().lv_area);
  }
  VideoAnatomy video;
  if (frames.empty()) return video;
  const double diastole = percentile(areas, 90.0), systole = percentile(areas, 10.0);
  Mean gap, gap_all, ratio_ed, ratio_all, eccentricity_ed, eccentricity_es;
  double missing = 0.0;
  for (const FrameAnatomy& frame : frames) {
    const bool whole = frame.lv_area > 0 && frame.rv_area > 0 && !std::isnan(frame.septal_gap);
    if (!whole) missing += 1.0 / static_cast<double>(frames.size());
    const double ratio =
        frame.lv_area > 0 && frame.rv_area > 0 ? frame.rv_area / frame.lv_area : kNotANumber;
    gap_all.add(frame.septal_gap);
    ratio_all.add(ratio);
    if (frame.lv_area >= diastole) {
      gap.add(frame.septal_gap);
      ratio_ed.add(ratio);
      eccentricity_ed.add(frame.eccentricity);
    }
    if (frame.lv_area <= systole) eccentricity_es.add(frame.eccentricity);
  }
  video.septal_gap = gap.value();
  video.septal_gap_mean = gap_all.value();
  video.rv_lv_ratio_ed = ratio_ed.value();
  video.rv_lv_ratio_mean = ratio_all.value();
  video.eccentricity_ed = eccentricity_ed.value();
  video.eccentricity_es = eccentricity_es.value();
  video.missing = missing;
  return video;
}

const std::vector<AnatomyFigure>& anatomy_figures() {
  static const std::vector<AnatomyFigure> figures = {
      {"septal_gap", "px", &VideoAnatomy::septal_gap},
      {"septal_gap_mean", "px", &VideoAnatomy::septal_gap_mean},
      {"rv_lv_ratio_ed", "", &VideoAnatomy::rv_lv_ratio_ed},
      {"rv_lv_ratio_mean", "", &VideoAnatomy::rv_lv_ratio_mean},
      {"eccentricity_ed", "", &VideoAnatomy::eccentricity_ed},
      {"eccentricity_es", "", &VideoAnatomy::eccentricity_es},
      {"missing", "", &VideoAnatomy::missing},
  };
  return figures;
}

double dice_of(const io::Frames& a, const io::Frames& b, std::uint8_t label) {
  double both = 0.0, sum = 0.0;
  for (std::size_t i = 0; i < std::min(a.pixels.size(), b.pixels.size()); ++i) {
    const bool in_a = a.pixels[i] == label, in_b = b.pixels[i] == label;
    both += in_a && in_b ? 1.0 : 0.0;
    sum += (in_a ? 1.0 : 0.0) + (in_b ? 1.0 : 0.0);
  }
  return sum == 0.0 ? kNotANumber : 2.0 * both / sum;
}

}  // namespace echopath::evaluation
