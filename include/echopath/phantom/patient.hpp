#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace echopath::phantom {

/// The four classes, in the order in which studies are written.
const std::vector<std::string>& class_names();

/// Size, shape and motion of one heart. Lengths in millimetres at end-diastole.
struct HeartParameters {
  double heart_rate_bpm = 72.0;
  double lv_length = 84.0;  ///< apex to mitral annulus
  double lv_width = 46.0;   ///< inner, at the widest level
  double septum_thickness = 9.5;
  double lateral_thickness = 9.0;
  double radial_contraction = 0.30;  ///< fraction of the half-width lost in systole
  double mapse = 13.0;               ///< mitral annular plane excursion
  double rv_width = 34.0;            ///< basal inner width
  double rv_apex = 0.24;             ///< where the RV apex lies along the LV, 0 = LV apex
  double rv_wall = 4.0;
  double rv_contraction = 0.30;  ///< fraction of the RV width lost in systole
  double tapse = 22.0;           ///< tricuspid annular plane excursion
  double la_width = 39.0;
  double la_height = 46.0;
  double ra_width = 38.0;
  double ra_height = 45.0;
  double septal_shift_diastole = 0.0;  ///< of the interventricular septum towards the LV
  double septal_shift_systole = 0.0;
  double atrial_septum_bow = 0.0;    ///< of the atrial septum towards the LA
  double septal_gap = 0.0;           ///< width of the atrial septal defect
  double septal_gap_position = 0.5;  ///< its middle along the septum, 0 = at the valves
  double bend = 0.0;                 ///< sideways bow of the LV axis
  double motion_scale = 1.0;         ///< 0 freezes heart, blood and breathing
  double breathing_amplitude = 1.2;
  double breathing_rate_hz = 0.25;
  double beat_variation = 0.03;  ///< relative spread of the stroke from beat to beat
};

/// The probe, the machine and the window between the ribs.
struct AcousticParameters {
  double depth = 158.0;        ///< mm from the probe to the bottom of the image
  double half_angle = 0.68;    ///< of the sector, radians
  double top_pixels = 3.0;     ///< row of the probe
  double tilt = 0.0;           ///< of the heart's axis, radians, positive turns the base right
  double offset_x = 6.0;       ///< of the LV apex from the beam axis, mm
  double apex_depth = 24.0;    ///< of the LV apex, mm
  double wavelength = 0.75;    ///< mm
  double pulse_sigma = 0.62;   ///< mm, of the axial envelope
  double beam_sigma = 0.0105;  ///< radians, at the focus
  double focus = 85.0;         ///< mm
  double gain_db = 0.0;
  double dynamic_range_db = 52.0;
  double far_gain_db = 0.0;  ///< gain slope, dB over the whole depth
  double near_clutter_db = 0.0;
  double reverberation_db = -10.0;
  double bottom_band_db = 6.0;    ///< brightness of the tissue behind the atria
  double left_dropout_db = 3.0;   ///< loss towards the sector's left edge
  double right_dropout_db = 8.0;  ///< loss towards the sector's right edge
  double patchiness_db = 5.0;
  double shadow_db = 6.0;   ///< spread of the loss between beams
  double anisotropy = 0.8;  ///< of tissue backscatter, 0 none
  double blood_db = -34.0;
  double clutter_db = -26.0;  ///< haze that stands still in front of the heart
};

/// One patient: everything the simulator needs. Two patients with equal parameters give equal
/// frames.
struct PatientParameters {
  std::string class_name = "Non-ASD";
  std::uint64_t seed = 0;
  HeartParameters heart;
  AcousticParameters acoustics;
};

/// Draws a patient of a class (`ASD`, `Non-ASD`, `PAH`, `Non-PAH`). The two control classes have
/// the same distribution. Throws ConfigError naming the known classes on another name.
PatientParameters sample_patient(const std::string& class_name, std::uint64_t seed);

}  // namespace echopath::phantom
