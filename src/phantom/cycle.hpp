#pragma once

#include <array>
#include <cstdint>

#include "echopath/phantom/patient.hpp"

namespace echopath::phantom {

/// The independent motions of the heart. Every point moves by a sum of these, each with its own
/// field of displacement and its own course in time.
enum Mode : int {
  kLvRadial = 0,  ///< LV walls move in and thicken
  kLongitudinal,  ///< mitral annulus descends towards the apex
  kRvRadial,      ///< RV free wall moves in
  kTricuspid,     ///< tricuspid annulus descends
  kAtria,         ///< atria widen
  kSeptum,        ///< septum moves towards the LV, amplitude in mm
  kModeCount
};

/// The state of the heart at one time.
struct CycleState {
  std::array<float, kModeCount> amplitude{};
  double mitral_opening = 0.0;  ///< 0 closed … 1 wide open
  double tricuspid_opening = 0.0;
  double elevation = 0.0;                       ///< slip of the tissue through the image plane
  double blood = 0.0;                           ///< path of the blood through the image plane
  double breathing_x = 0.0, breathing_y = 0.0;  ///< mm
};

/// Course of one patient's heart in time. Intervals after Weissler et al. (1968): ejection
/// shortens as the heart rate rises.
class Cycle {
 public:
  Cycle(const HeartParameters& heart, std::uint64_t seed);

  CycleState at(double time_seconds) const;
  double period() const { return period_; }
  double end_systole() const { return end_systole_; }  ///< seconds after end-diastole

 private:
  double contraction(double seconds) const;
  double opening(double seconds) const;

  HeartParameters heart_;
  std::uint64_t seed_;
  double period_, end_systole_, filling_start_, early_end_, kick_start_;
  double early_share_;
  double breathing_phase_;
};

}  // namespace echopath::phantom
