#pragma once

#include <cstdint>
#include <deque>

#include "echopath/config/options.hpp"

namespace echopath::training {

/// What became of a step, the worse the greater.
enum class Verdict {
  kGood,
  kOverflow,  ///< float16 gradients overflowed: the scale of the loss was too large
  kSpike,     ///< the loss is far above those before it
  kNotFinite  ///< loss or gradient is not finite
};

/// Judges losses and counts the steps that were skipped. Every process has the same figures, and so
/// comes to the same verdict.
class StepGuard {
 public:
  /// A loss above `spike_factor` times the median of the last kWindow finite ones is a spike, once
  /// there are kFewest (0: none ever is). Spikes count as losses themselves, so that a loss that
  /// stays on a new level is accepted after half a window.
  explicit StepGuard(double spike_factor) : spike_factor_(spike_factor) {}

  static constexpr std::size_t kWindow = 100;
  static constexpr std::size_t kFewest = 20;

  bool is_spike(double loss) const;
  /// Median of the losses that a new one is compared with.
  double median() const;
  /// Books a step and its loss.
  void book(Verdict verdict, double loss);

  std::int64_t not_finite_in_a_row() const { return in_a_row_; }
  std::int64_t not_finite() const { return not_finite_; }
  std::int64_t spikes() const { return spikes_; }
  std::int64_t overflows() const { return overflows_; }
  /// Steps without an update, for whatever reason.
  std::int64_t skipped() const { return not_finite_ + spikes_ + overflows_; }

  config::Json state() const;
  void load_state(const config::Json& state);

 private:
  double spike_factor_;
  std::int64_t in_a_row_ = 0;
  std::int64_t not_finite_ = 0;
  std::int64_t spikes_ = 0;
  std::int64_t overflows_ = 0;
  std::deque<double> losses_;  ///< the last kWindow finite ones, oldest first
};

}  // namespace echopath::training
