#pragma once

#include <cstdint>
#include <memory>

#include "echopath/phantom/patient.hpp"

namespace echopath::phantom {

constexpr int kImageSize = 112;

/// Grey values of the label maps.
enum class Label : std::uint8_t {
  kBackground = 0,
  kLeftVentricle = 1,
  kRightVentricle = 2,
  kLeftAtrium = 3,
  kRightAtrium = 4,
  kMyocardium = 5,  ///< LV wall, interventricular septum and RV free wall
};

/// What is true of a patient, measured on the model's own outlines. Areas are of the whole chamber
/// in pixels of the image, also where the sector cuts it.
struct GroundTruth {
  double heart_rate_bpm = 0.0;
  double end_systole_seconds = 0.0;  ///< after end-diastole at time 0
  double lv_area_ed = 0.0, lv_area_es = 0.0;
  double rv_area_ed = 0.0, rv_area_es = 0.0;
  double la_area_ed = 0.0, la_area_es = 0.0;
  double ra_area_ed = 0.0, ra_area_es = 0.0;
  double edv = 0.0;  ///< mL, single-plane area-length, 8 A² / (3 π L)
  double esv = 0.0;
  double ef = 0.0;  ///< percent
  double septal_gap_mm = 0.0;
  double septal_gap_px = 0.0;
  /// LV diameter along the septum over the one across it, at mid level (Ryan et al., 1985): 1 is
  /// round, above 1 the septum is flattened.
  double eccentricity_ed = 1.0, eccentricity_es = 1.0;
  double tapse_mm = 0.0;
  double mapse_mm = 0.0;
  double rv_wall_mm = 0.0;
  double mm_per_pixel = 0.0;
};

/// Renders one patient. Frames may be asked for in any order; the same patient and time give the
/// same bytes.
class Simulator {
 public:
  explicit Simulator(const PatientParameters& patient);
  ~Simulator();
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  /// The frame at a time ≥ 0 (end-diastole at 0): `image` and `mask` are 112×112 bytes, row-major.
  /// `mask` may be null; it holds `Label`s, background outside the sector.
  void render(double time_seconds, std::uint8_t* image, std::uint8_t* mask = nullptr);

  const GroundTruth& ground_truth() const;
  const PatientParameters& patient() const;

  /// Where a tissue point that lies at image position (`x`, `y`) in pixels at end-diastole of the
  /// first beat is at another time, in pixels.
  void track(double x, double y, double time_seconds, double* moved_x, double* moved_y) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace echopath::phantom
