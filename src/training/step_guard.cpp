#include "training/step_guard.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace echopath::training {

double StepGuard::median() const {
  std::vector<double> sorted(losses_.begin(), losses_.end());
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

bool StepGuard::is_spike(double loss) const {
  if (spike_factor_ == 0.0 || losses_.size() < kFewest) return false;
  const double usual = median();
  return usual > 0.0 && loss > spike_factor_ * usual;
}

void StepGuard::book(Verdict verdict, double loss) {
  if (verdict == Verdict::kNotFinite) {
    ++in_a_row_;
    ++not_finite_;
  } else if (verdict != Verdict::kOverflow) {
    in_a_row_ = 0;
  }
  if (verdict == Verdict::kSpike) ++spikes_;
  if (verdict == Verdict::kOverflow) ++overflows_;
  if (spike_factor_ == 0.0 || !std::isfinite(loss)) return;
  losses_.push_back(loss);
  if (losses_.size() > kWindow) losses_.pop_front();
}

config::Json StepGuard::state() const {
  return {{"in_a_row", in_a_row_},
          {"not_finite", not_finite_},
          {"spikes", spikes_},
          {"overflows", overflows_},
          {"losses", losses_}};
}

void StepGuard::load_state(const config::Json& state) {
  in_a_row_ = state.at("in_a_row").get<std::int64_t>();
  not_finite_ = state.at("not_finite").get<std::int64_t>();
  spikes_ = state.at("spikes").get<std::int64_t>();
  overflows_ = state.at("overflows").get<std::int64_t>();
  losses_ = state.at("losses").get<std::deque<double>>();
}

}  // namespace echopath::training
