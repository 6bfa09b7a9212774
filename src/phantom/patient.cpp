#include "echopath/phantom/patient.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "rng.hpp"

namespace echopath::phantom {
namespace {

/// Adult reference values: Lang et al., JASE 2015 (LV, atria), Rudski et al., JASE 2010 (RV,
/// TAPSE).
HeartParameters normal_heart(Rng& rng) {
  HeartParameters h;
  const double size = rng.normal(1.0, 0.06);
  h.heart_rate_bpm = std::clamp(rng.normal(72.0, 13.0), 50.0, 110.0);
  h.lv_length = size * rng.normal(84.0, 4.0);
  h.lv_width = size * rng.normal(47.0, 2.5);
  h.septum_thickness = rng.normal(9.5, 1.0);
  h.lateral_thickness = rng.normal(9.0, 0.9);
  h.radial_contraction = rng.normal(0.33, 0.025);
  h.mapse = size * rng.normal(14.0, 1.3);
  h.rv_width = size * rng.normal(33.0, 2.2);
  h.rv_apex = rng.uniform(0.20, 0.34);
  h.rv_wall = rng.normal(3.6, 0.4);
  h.rv_contraction = rng.normal(0.30, 0.03);
  h.tapse = size * rng.normal(23.0, 1.8);
  h.la_width = size * rng.normal(40.0, 2.5);
  h.la_height = size * rng.normal(45.0, 3.5);
  h.ra_width = size * rng.normal(38.0, 2.5);
  h.ra_height = size * rng.normal(44.0, 3.0);
  h.septal_shift_diastole = rng.normal(0.0, 0.5);
  h.septal_shift_systole = h.septal_shift_diastole + rng.normal(0.0, 0.4);
  h.atrial_septum_bow = rng.normal(0.0, 1.2);
  h.bend = rng.normal(0.0, 1.5);
  h.breathing_amplitude = rng.uniform(0.4, 1.8);
  h.breathing_rate_hz = rng.uniform(0.2, 0.32);
  h.beat_variation = rng.uniform(0.01, 0.05);
  return h;
}

/// Secundum defect with a left-to-right shunt: volume-loaded right heart, brisk annulus, septum
/// pushed to the left in diastole and moving to the right in systole (paradoxical).
void make_asd(HeartParameters& h, Rng& rng) {
  h.septal_gap = rng.uniform(11.0, 25.0);
  h.septal_gap_position = rng.uniform(0.42, 0.58);
  const double load = 0.5 + 0.5 * (h.septal_gap - 11.0) / 14.0;
  h.rv_width *= 1.24 + 0.16 * load + rng.normal(0.0, 0.02);
  h.rv_apex = rng.uniform(0.08, 0.18);
  h.ra_width *= 1.20 + 0.14 * load + rng.normal(0.0, 0.02);
  h.ra_height *= 1.08 + 0.08 * load;
  h.lv_width *= 0.95;
  h.tapse *= 1.10;
  h.radial_contraction *= 1.22;
  h.septal_shift_diastole = rng.normal(5.5, 0.8);
  h.septal_shift_systole = rng.normal(-1.0, 0.6);
  h.atrial_septum_bow = rng.normal(2.0, 0.8);
}

/// Pressure-loaded right heart: dilated thick RV, septum bowed to the left, most in systole, large
/// RA, and a tricuspid annulus that hardly moves (TAPSE under 17 mm, Rudski et al., 2010).
void make_pah(HeartParameters& h, Rng& rng) {
  h.rv_width *= rng.uniform(1.34, 1.58);
  h.rv_apex = rng.uniform(0.02, 0.10);
  h.rv_wall = rng.normal(7.6, 0.7);
  h.rv_contraction = rng.normal(0.13, 0.025);
  h.tapse = rng.normal(12.5, 1.5);
  h.ra_width *= rng.uniform(1.28, 1.48);
  h.ra_height *= rng.uniform(1.12, 1.26);
  h.la_width *= 0.92;
  h.lv_width *= 0.92;
  h.mapse *= 0.85;
  h.radial_contraction *= 0.82;
  h.septal_shift_diastole = rng.normal(5.0, 0.8);
  h.septal_shift_systole = rng.normal(9.0, 1.0);
  h.atrial_septum_bow = rng.normal(5.0, 1.0);
  h.heart_rate_bpm = std::clamp(h.heart_rate_bpm + 8.0, 50.0, 110.0);
}

AcousticParameters sample_acoustics(const HeartParameters& h, Rng& rng) {
  AcousticParameters a;
  a.apex_depth = rng.normal(23.0, 2.5);
  a.depth =
      a.apex_depth + h.lv_length + std::max(h.la_height, h.ra_height) + rng.uniform(3.0, 15.0);
  a.half_angle = rng.uniform(0.64, 0.80);
  a.top_pixels = rng.uniform(0.0, 6.0);
  a.tilt = rng.normal(0.11, 0.06);
  // The heart is centred between its right and left borders, then off by a little.
  a.offset_x = 0.27 * h.rv_width + rng.normal(0.0, 3.5) - (a.tilt - 0.11) * 45.0;
  a.wavelength = 1.54 / rng.uniform(1.7, 2.6);
  a.pulse_sigma = rng.uniform(0.98, 1.32);
  a.beam_sigma = rng.uniform(0.0105, 0.0130);
  a.focus = rng.uniform(70.0, 100.0);
  a.gain_db = rng.normal(0.0, 1.6);
  a.dynamic_range_db = rng.uniform(46.5, 54.5);
  a.far_gain_db = rng.normal(0.0, 2.5);
  a.near_clutter_db = rng.normal(-7.0, 3.0);
  a.reverberation_db = rng.uniform(-16.0, -4.0);
  a.bottom_band_db = rng.normal(0.0, 4.0);
  a.left_dropout_db = rng.uniform(1.0, 9.0);
  a.right_dropout_db = rng.uniform(3.0, 16.0);
  a.patchiness_db = rng.uniform(5.5, 8.5);
  a.shadow_db = rng.uniform(5.0, 11.0);
  a.anisotropy = rng.uniform(0.9, 1.5);
  a.blood_db = rng.uniform(-39.0, -30.0);
  a.clutter_db = rng.uniform(-35.5, -25.8);
  return a;
}

}  // namespace

const std::vector<std::string>& class_names() {
  static const std::vector<std::string> names = {"ASD", "Non-ASD", "PAH", "Non-PAH"};
  return names;
}

PatientParameters sample_patient(const std::string& class_name, std::uint64_t seed) {
  const auto& names = class_names();
  if (std::find(names.begin(), names.end(), class_name) == names.end()) {
    throw ConfigError("unknown class '" + class_name +
                      "' for the phantom; known classes: " + join(names, ", "));
  }
  PatientParameters patient;
  patient.class_name = class_name;
  patient.seed = seed;
  Rng heart_rng(Rng::derive(seed, 1));
  patient.heart = normal_heart(heart_rng);
  Rng pathology_rng(Rng::derive(seed, 2));
  if (class_name == "ASD") make_asd(patient.heart, pathology_rng);
  if (class_name == "PAH") make_pah(patient.heart, pathology_rng);
  Rng acoustic_rng(Rng::derive(seed, 3));
  patient.acoustics = sample_acoustics(patient.heart, acoustic_rng);
  return patient;
}

}  // namespace echopath::phantom
