#pragma once

#include <vector>

#include "echopath/io/safetensors.hpp"
#include "echopath/training/optimizer.hpp"

namespace echopath::training {

/// Exponential moving average of weights with diffusers' warm-up: at optimisation step n the decay
/// is 0 for n = 1 and min(decay, n/(n+9)) after.
class Ema {
 public:
  Ema(const std::vector<NamedParameter>& parameters, double decay);

  /// Call after optimisation step `step` (1 for the first).
  void update(std::int64_t step);
  static double decay_at(std::int64_t step, double max_decay);

  /// Exchanges the averaged weights with the network's; call twice to go back.
  void swap();
  io::TensorMap state() const;
  void load_state(const io::TensorMap& state, const std::string& source);

 private:
  std::vector<NamedParameter> parameters_;
  std::vector<at::Tensor> shadow_;
  double decay_;
};

/// Uses the averaged weights while it lives.
class EmaScope {
 public:
  explicit EmaScope(Ema& ema) : ema_(ema) { ema_.swap(); }
  ~EmaScope() { ema_.swap(); }
  EmaScope(const EmaScope&) = delete;
  EmaScope& operator=(const EmaScope&) = delete;

 private:
  Ema& ema_;
};

}  // namespace echopath::training
