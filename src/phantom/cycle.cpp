#include "cycle.hpp"

#include <algorithm>
#include <cmath>

#include "rng.hpp"

namespace echopath::phantom {
namespace {

constexpr double kPi = 3.14159265358979323846;

double smooth(double x) {
  x = std::clamp(x, 0.0, 1.0);
  return x * x * (3.0 - 2.0 * x);
}

double bump(double x) {
  if (x <= 0.0 || x >= 1.0) return 0.0;
  const double s = std::sin(kPi * x);
  return s * s;
}

}  // namespace

Cycle::Cycle(const HeartParameters& heart, std::uint64_t seed) : heart_(heart), seed_(seed) {
  period_ = 60.0 / heart.heart_rate_bpm;
  // Electromechanical systole, about 50 ms of it isovolumic (Weissler et al., 1968).
  end_systole_ = std::min(0.05 + (413.0 - 1.7 * heart.heart_rate_bpm) * 1e-3, 0.48 * period_);
  filling_start_ = end_systole_ + 0.06;
  kick_start_ = period_ - std::min(0.13, 0.18 * period_);
  early_end_ = std::min(filling_start_ + 0.20, kick_start_ - 0.01);
  early_share_ = 0.70;
  breathing_phase_ = Rng(Rng::derive(seed, 11)).uniform(0.0, 2.0 * kPi);
}

double Cycle::contraction(double seconds) const {
  if (seconds < 0.04) return 0.0;
  if (seconds < end_systole_) {
    return std::pow(smooth((seconds - 0.04) / (end_systole_ - 0.04)), 0.9);
  }
  if (seconds < filling_start_) return 1.0;
  const double early = smooth((seconds - filling_start_) / (early_end_ - filling_start_));
  const double slow =
      std::clamp((seconds - early_end_) / std::max(0.02, kick_start_ - early_end_), 0.0, 1.0);
  const double kick = smooth((seconds - kick_start_) / (period_ - kick_start_));
  return 1.0 - early_share_ * early - 0.08 * slow - (0.92 - early_share_) * kick;
}

double Cycle::opening(double seconds) const {
  if (seconds < filling_start_) return 0.0;
  const double early = early_end_ - filling_start_ + 0.06;
  const double e_wave = bump((seconds - filling_start_ + 0.015) / (early + 0.03));
  const double rest = 0.42 * smooth((seconds - filling_start_) / 0.05) *
                      (1.0 - smooth((seconds - period_ + 0.05) / 0.05));
  const double kick = 0.75 * bump((seconds - kick_start_ + 0.02) / (period_ - kick_start_ + 0.02));
  return std::min(1.0, std::max(std::max(e_wave, kick), rest));
}

CycleState Cycle::at(double time_seconds) const {
  const double beat = std::floor(time_seconds / period_);
  const double seconds = time_seconds - beat * period_;
  Rng rng(Rng::derive(seed_, 12, static_cast<std::uint64_t>(beat)));
  const double stroke = beat < 1.0 ? 1.0 : rng.normal(1.0, 0.5 * heart_.beat_variation);
  const double scale = heart_.motion_scale * stroke;

  const double c = contraction(seconds);
  const double lagged = contraction(std::max(0.0, seconds - 0.02));
  CycleState state;
  state.amplitude[kLvRadial] = static_cast<float>(scale * c);
  state.amplitude[kLongitudinal] = static_cast<float>(scale * c);
  state.amplitude[kRvRadial] = static_cast<float>(scale * lagged);
  state.amplitude[kTricuspid] = static_cast<float>(scale * lagged);
  state.amplitude[kAtria] = static_cast<float>(scale * c);
  state.amplitude[kSeptum] = static_cast<float>(
      heart_.septal_shift_diastole +
      heart_.motion_scale * c * (heart_.septal_shift_systole - heart_.septal_shift_diastole));
  state.mitral_opening = heart_.motion_scale * opening(seconds);
  state.tricuspid_opening = heart_.motion_scale * opening(std::max(0.0, seconds - 0.015));
  // Twist carries tissue through the plane in systole and back; a little of it drifts on with
  // breathing. Blood streams through and does not come back.
  const double breath =
      std::sin(2.0 * kPi * heart_.breathing_rate_hz * time_seconds + breathing_phase_);
  const double start = std::sin(breathing_phase_);
  state.elevation = heart_.motion_scale * (c + 0.35 * (breath - start));
  state.blood = heart_.motion_scale * (6.0 * time_seconds + 2.0 * c);
  state.breathing_x = 0.5 * heart_.motion_scale * heart_.breathing_amplitude * (breath - start);
  state.breathing_y = heart_.motion_scale * heart_.breathing_amplitude * (breath - start);
  return state;
}

}  // namespace echopath::phantom
