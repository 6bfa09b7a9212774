#include "anatomy.hpp"

#include <algorithm>
#include <cmath>

namespace echopath::phantom {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kWallPoints = 28;  // along a ventricular wall
constexpr int kAtriumPoints = 44;

/// Amplitudes of the modes, all zero at rest.
using Pose = std::array<double, kModeCount>;

double signed_power(double value, double exponent) {
  return std::copysign(std::pow(std::abs(value), exponent), value);
}

/// Builds the outlines of a heart in a pose, in the heart's own frame: LV apex at the origin, y
/// towards the base, x towards the lateral wall.
class Shape {
 public:
  Shape(const HeartParameters& heart, const Pose& pose) : h_(heart), pose_(pose) {}

  /// Half-width of the LV cavity at the fraction s of its length.
  double lv_half_width(double s) const {
    constexpr double kWidest = 0.58;
    const double w = 0.5 * h_.lv_width;
    if (s < kWidest) {
      const double d = (kWidest - s) / kWidest;
      return w * std::sqrt(std::max(0.0, 1.0 - std::pow(d, 2.3)));
    }
    const double d = (s - kWidest) / (1.0 - kWidest);
    return w * (1.0 - 0.24 * d * d);
  }

  double axis_x(double s) const { return h_.bend * std::sin(kPi * s); }
  /// The apex hardly moves; the base comes down to it.
  double lv_y(double s) const { return s * h_.lv_length - s * h_.mapse * pose_[kLongitudinal]; }
  double shift(double s) const {
    return pose_[kSeptum] * std::pow(std::sin(kPi * std::clamp((s - 0.06) / 0.94, 0.0, 1.0)), 0.8);
  }

  Point lv_septal(double s) const {
    const double w =
        lv_half_width(s) * (1.0 - 0.85 * h_.radial_contraction * pose_[kLvRadial] * taper(s));
    return point(axis_x(s) - w + shift(s), lv_y(s));
  }
  Point lv_lateral(double s) const {
    const double w =
        lv_half_width(s) * (1.0 - 1.15 * h_.radial_contraction * pose_[kLvRadial] * taper(s));
    return point(axis_x(s) + w, lv_y(s));
  }
  Point lv_outer(double s) const {
    const double w = lv_half_width(s);
    const double inward = 0.42 * 1.15 * h_.radial_contraction * w * pose_[kLvRadial] * taper(s);
    const double apical = 0.6 + 0.4 * std::min(1.0, s / 0.3);
    const double cap = -5.5 * std::max(0.0, 1.0 - s / 0.25);
    return point(axis_x(s) + w + h_.lateral_thickness * apical - inward, lv_y(s) + cap);
  }
  /// The right side of the septum; beyond the RV apex the LV's own outer wall.
  Point septum_right(double s) const {
    const double w = lv_half_width(s);
    const double inward = 0.45 * 0.85 * h_.radial_contraction * w * pose_[kLvRadial] * taper(s);
    const double apical = 0.65 + 0.35 * std::min(1.0, s / 0.3);
    const double cap = -5.5 * std::max(0.0, 1.0 - s / 0.25);
    return point(axis_x(s) - w - h_.septum_thickness * apical + inward + shift(s), lv_y(s) + cap);
  }

  double rv_base() const { return 0.95; }
  double rv_s(double u) const { return h_.rv_apex + u * (rv_base() - h_.rv_apex); }
  double rv_width(double u) const {
    const double rise = std::pow(std::sin(0.5 * kPi * std::min(1.0, u / 0.82)), 1.05);
    const double fall = u > 0.82 ? 1.0 - 0.10 * std::pow((u - 0.82) / 0.18, 2.0) : 1.0;
    return h_.rv_width * rise * fall;
  }
  Point rv_free(double u, double outwards) const {
    const double s = rv_s(u);
    const double inner =
        -lv_half_width(s) - h_.septum_thickness * (0.65 + 0.35 * std::min(1.0, s / 0.3));
    const double width = rv_width(u) * (1.0 - h_.rv_contraction * pose_[kRvRadial]);
    const double thick = outwards * h_.rv_wall * (1.0 + 0.30 * pose_[kRvRadial]) *
                         (0.55 + 0.45 * std::min(1.0, u / 0.2));
    const double cap = -outwards * 0.8 * h_.rv_wall * std::max(0.0, 1.0 - u / 0.15);
    return point(axis_x(s) + inner - width - thick,
                 s * h_.lv_length - std::pow(u, 1.2) * h_.tapse * pose_[kTricuspid] + cap);
  }

  double septum_x() const { return -lv_half_width(1.0) - 0.5 * h_.septum_thickness; }
  double bow(double y, double top, double bottom) const {
    return h_.atrial_septum_bow * std::sin(kPi * std::clamp((y - top) / (bottom - top), 0.0, 1.0));
  }

  Curve left_atrium(double outwards) const {
    const double top = h_.lv_length - h_.mapse * pose_[kLongitudinal] + 1.0;
    const double bottom = h_.lv_length + 1.0 + h_.la_height + 1.0 * pose_[kAtria];
    const double left = septum_x() + 1.4;
    const double half = 0.5 * h_.la_width;
    return atrium(left + half, half, half * (1.0 + 0.10 * pose_[kAtria]), top, bottom, outwards,
                  true);
  }
  Curve right_atrium(double outwards) const {
    const double top = rv_base() * h_.lv_length - 0.75 * h_.tapse * pose_[kTricuspid] + 1.5;
    const double bottom = rv_base() * h_.lv_length + 1.5 + h_.ra_height + 1.0 * pose_[kAtria];
    const double right = septum_x() - 1.4;
    const double half = 0.5 * h_.ra_width;
    return atrium(right - half, half * (1.0 + 0.10 * pose_[kAtria]), half, top, bottom, outwards,
                  false);
  }

  Curve atrial_septum() const {
    const double top = h_.lv_length + 1.0;
    const double bottom = std::min(h_.la_height, h_.ra_height) + top;
    Curve line;
    for (int i = 0; i <= 40; ++i) {
      const double y = top + (bottom - top) * i / 40.0;
      line.push_back(point(septum_x() + bow(y, top, bottom), y));
    }
    return line;
  }

 private:
  static Point point(double x, double y) { return {static_cast<float>(x), static_cast<float>(y)}; }
  /// Contraction fades towards the fixed ring of the base.
  static double taper(double s) { return s < 0.8 ? 1.0 : 1.0 - 0.45 * (s - 0.8) / 0.2; }

  /// A rounded box; the side at the septum follows the septum's bow.
  Curve atrium(double centre, double left, double right, double top, double bottom, double outwards,
               bool septum_on_left) const {
    Curve curve;
    for (int i = 0; i < kAtriumPoints; ++i) {
      const double angle = 2.0 * kPi * i / kAtriumPoints;
      const double sine = signed_power(std::sin(angle), 0.80);
      const double cosine = signed_power(std::cos(angle), 0.80);
      const double y = 0.5 * (top + bottom) - (0.5 * (bottom - top) + outwards) * cosine;
      const double side = (sine < 0.0 ? left : right) + outwards;
      const bool septal = (sine < 0.0) == septum_on_left;
      const double narrowing = 1.0 - 0.10 * std::max(0.0, -cosine) * (septal ? 0.0 : 1.0);
      const double push = septal ? bow(y, top, bottom) * std::abs(sine) : 0.0;
      curve.push_back(point(centre + side * sine * narrowing + push, y));
    }
    return curve;
  }

  const HeartParameters& h_;
  const Pose& pose_;
};

Outlines build(const HeartParameters& heart, const Pose& pose) {
  const Shape shape(heart, pose);
  Outlines o;
  const int n = kWallPoints;
  auto along = [n](int i) { return std::pow(static_cast<double>(i) / n, 1.35); };
  for (int i = n; i >= 0; --i) o.lv.push_back(shape.lv_septal(along(i)));
  for (int i = 1; i <= n; ++i) o.lv.push_back(shape.lv_lateral(along(i)));
  for (int i = n; i >= 0; --i) o.lv_epicardium.push_back(shape.septum_right(along(i)));
  for (int i = 0; i <= n; ++i) o.lv_epicardium.push_back(shape.lv_outer(along(i)));

  for (int i = n; i >= 0; --i) o.rv.push_back(shape.septum_right(shape.rv_s(along(i))));
  for (int i = 1; i <= n; ++i) o.rv.push_back(shape.rv_free(along(i), 0.0));
  for (int i = n; i >= 0; --i) o.rv_epicardium.push_back(shape.septum_right(shape.rv_s(along(i))));
  for (int i = 0; i <= n; ++i) o.rv_epicardium.push_back(shape.rv_free(along(i), 1.0));

  o.la = shape.left_atrium(0.0);
  o.ra = shape.right_atrium(0.0);
  o.la_wall = shape.left_atrium(3.0);
  o.ra_wall = shape.right_atrium(3.0);
  o.annulus = {o.lv.front(), o.lv.back(), o.rv.front(), o.rv.back()};
  return o;
}

template <typename Function>
void for_each_curve(Outlines& o, const Function& function) {
  for (Curve* curve : {&o.lv, &o.rv, &o.la, &o.ra, &o.lv_epicardium, &o.rv_epicardium, &o.la_wall,
                       &o.ra_wall, &o.septal_gap}) {
    for (Point& p : *curve) function(p);
  }
  for (Point& p : o.annulus) function(p);
}

/// From the heart's frame into the image plane.
class Placement {
 public:
  explicit Placement(const AcousticParameters& a)
      : cosine_(static_cast<float>(std::cos(a.tilt))),
        sine_(static_cast<float>(std::sin(a.tilt))),
        x_(static_cast<float>(a.offset_x)),
        y_(static_cast<float>(a.apex_depth)) {}
  void operator()(Point& p) const {
    p = {x_ + cosine_ * p.x + sine_ * p.y, y_ - sine_ * p.x + cosine_ * p.y};
  }

 private:
  float cosine_, sine_, x_, y_;
};

/// The points of the septum's line that lie within the defect.
Curve gap_of(const Curve& line, const HeartParameters& heart) {
  Curve gap;
  if (!(heart.septal_gap > 0.0)) return gap;
  float walked = 0.0F, length = 0.0F;
  for (std::size_t i = 1; i < line.size(); ++i) {
    length += std::hypot(line[i].x - line[i - 1].x, line[i].y - line[i - 1].y);
  }
  const float middle = static_cast<float>(heart.septal_gap_position) * length;
  for (std::size_t i = 1; i < line.size(); ++i) {
    walked += std::hypot(line[i].x - line[i - 1].x, line[i].y - line[i - 1].y);
    if (std::abs(walked - middle) > 0.5F * static_cast<float>(heart.septal_gap)) continue;
    gap.push_back(line[i]);
  }
  return gap;
}

/// The control points of the motion field: the outlines, and a ring around the heart that stands
/// still (chest wall, lung, spine).
Curve control_points(Outlines outlines, const HeartParameters& heart, const Placement& place) {
  for_each_curve(outlines, place);
  Curve points;
  for_each_curve(outlines, [&points](Point& p) { points.push_back(p); });
  const double bottom = heart.lv_length + std::max(heart.la_height, heart.ra_height) + 14.0;
  const double left = -0.5 * heart.lv_width - heart.rv_width - 32.0;
  const double right = 0.5 * heart.lv_width + 34.0;
  for (int i = 0; i <= 24; ++i) {
    const double f = i / 24.0;
    for (Point p :
         {Point{static_cast<float>(left + f * (right - left)), -16.0F},
          Point{static_cast<float>(left + f * (right - left)), static_cast<float>(bottom)},
          Point{static_cast<float>(left), static_cast<float>(-16.0 + f * (bottom + 16.0))},
          Point{static_cast<float>(right), static_cast<float>(-16.0 + f * (bottom + 16.0))}}) {
      place(p);
      points.push_back(p);
    }
  }
  return points;
}

}  // namespace

MotionField::MotionField(const Curve& rest, const std::array<Curve, kModeCount>& moved)
    : nodes_(static_cast<std::size_t>(kColumns * kRows)) {
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      const float x = kLeft + kSpacing * static_cast<float>(column);
      const float y = kTop + kSpacing * static_cast<float>(row);
      std::array<float, 2 * kModeCount> sum{};
      float weights = 0.0F;
      for (std::size_t i = 0; i < rest.size(); ++i) {
        const float dx = rest[i].x - x, dy = rest[i].y - y;
        const float inverse = 1.0F / (dx * dx + dy * dy + 0.5F);
        const float weight = inverse * inverse;
        weights += weight;
        for (int k = 0; k < kModeCount; ++k) {
          sum[2 * k] += weight * (moved[k][i].x - rest[i].x);
          sum[2 * k + 1] += weight * (moved[k][i].y - rest[i].y);
        }
      }
      for (float& value : sum) value /= weights;
      nodes_[static_cast<std::size_t>(row * kColumns + column)] = sum;
    }
  }
}

std::array<float, 2 * kModeCount> MotionField::sample(Point material) const {
  const float fx = std::clamp((material.x - kLeft) / kSpacing, 0.0F, kColumns - 1.001F);
  const float fy = std::clamp((material.y - kTop) / kSpacing, 0.0F, kRows - 1.001F);
  const int column = static_cast<int>(fx), row = static_cast<int>(fy);
  const float u = fx - static_cast<float>(column), v = fy - static_cast<float>(row);
  const auto* node = &nodes_[static_cast<std::size_t>(row * kColumns + column)];
  std::array<float, 2 * kModeCount> result;
  for (int k = 0; k < 2 * kModeCount; ++k) {
    result[k] = (1 - v) * ((1 - u) * node[0][k] + u * node[1][k]) +
                v * ((1 - u) * node[kColumns][k] + u * node[kColumns + 1][k]);
  }
  return result;
}

Point MotionField::move(Point material, const CycleState& state) const {
  const auto field = sample(material);
  Point p{material.x + static_cast<float>(state.breathing_x),
          material.y + static_cast<float>(state.breathing_y)};
  for (int k = 0; k < kModeCount; ++k) {
    p.x += state.amplitude[k] * field[2 * k];
    p.y += state.amplitude[k] * field[2 * k + 1];
  }
  return p;
}

Anatomy::Anatomy(const PatientParameters& patient) {
  const HeartParameters& heart = patient.heart;
  const Placement place(patient.acoustics);
  const Pose none{};
  rest = build(heart, none);
  const Curve still = control_points(rest, heart, place);
  std::array<Curve, kModeCount> moved;
  for (int k = 0; k < kModeCount; ++k) {
    Pose pose{};
    pose[k] = 1.0;
    moved[k] = control_points(build(heart, pose), heart, place);
  }
  motion = MotionField(still, moved);

  const Shape shape(heart, none);
  atrial_septum = shape.atrial_septum();
  for (Point& p : atrial_septum) place(p);
  mid_diameter = {shape.lv_septal(0.55), shape.lv_lateral(0.55)};
  for (Point& p : mid_diameter) place(p);
  for_each_curve(rest, place);
  rest.septal_gap = gap_of(atrial_septum, heart);
  for (const Curve* curve : {&rest.la, &rest.ra}) {
    for (const Point& p : *curve) atrial_bottom = std::max(atrial_bottom, p.y);
  }
}

Outlines Anatomy::at(const CycleState& state) const {
  Outlines moved = rest;
  for_each_curve(moved, [&](Point& p) { p = motion.move(p, state); });
  return moved;
}

double polygon_area(const Curve& polygon) {
  double twice = 0.0;
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    const Point& a = polygon[i];
    const Point& b = polygon[(i + 1) % polygon.size()];
    twice += static_cast<double>(a.x) * b.y - static_cast<double>(b.x) * a.y;
  }
  return 0.5 * std::abs(twice);
}

}  // namespace echopath::phantom
