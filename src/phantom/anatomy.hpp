#pragma once

#include <array>
#include <vector>

#include "cycle.hpp"
#include "echopath/phantom/patient.hpp"

namespace echopath::phantom {

/// A point in the image plane, mm: x to the right, y away from the probe, the probe at (0, 0).
struct Point {
  float x = 0.0F, y = 0.0F;
};

using Curve = std::vector<Point>;

/// The outlines of one heart. Chambers are closed polygons.
struct Outlines {
  Curve lv, rv, la, ra;
  Curve lv_epicardium;     ///< closed, with the septum's right side
  Curve rv_epicardium;     ///< closed, with the septum's right side
  Curve la_wall, ra_wall;  ///< outer sides, closed
  Curve septal_gap;        ///< the part of the atrial septum that is not there; empty: closed
  /// Hinges: mitral septal, mitral lateral, tricuspid septal, tricuspid lateral.
  std::array<Point, 4> annulus;
};

/// A field of displacement for each mode on a coarse grid, mm per unit amplitude.
class MotionField {
 public:
  MotionField() = default;
  /// Spreads the displacement of control points (`moved[k][i] − rest[i]` for mode k) over the plane
  /// by inverse-distance weights (Shepard, 1968).
  MotionField(const Curve& rest, const std::array<Curve, kModeCount>& moved);

  /// Displacement of a material point for each mode: x and y in turn.
  std::array<float, 2 * kModeCount> sample(Point material) const;
  /// Where the material point is in a state, breathing included.
  Point move(Point material, const CycleState& state) const;

 private:
  static constexpr float kLeft = -150.0F, kTop = -12.0F, kSpacing = 2.5F;
  static constexpr int kColumns = 121, kRows = 88;
  std::vector<std::array<float, 2 * kModeCount>> nodes_;
};

/// One patient's heart: outlines at rest (end-diastole without septal shift) and how they move.
struct Anatomy {
  explicit Anatomy(const PatientParameters& patient);

  Outlines rest;
  MotionField motion;
  Curve atrial_septum;         ///< centre line at rest, from the valves downwards
  float atrial_bottom = 0.0F;  ///< depth at which the atria end, mm
  /// Ends of the LV diameter across the septum at mid level: septal, lateral.
  std::array<Point, 2> mid_diameter;

  Outlines at(const CycleState& state) const;
};

/// Polygon area (shoelace), positive, in squared units of the points.
double polygon_area(const Curve& polygon);

}  // namespace echopath::phantom
