#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "echopath/config/options.hpp"

namespace echopath::training {

/// Dynamic loss scaling (Micikevicius et al., 2018) with the constants of PyTorch's GradScaler: the
/// loss is multiplied by a power of two, so that small float16 gradients do not vanish; the scale
/// halves where a gradient overflowed and doubles after 2000 steps without that. Switched off, the
/// scale is 1.
class LossScaler {
 public:
  explicit LossScaler(bool enabled) : enabled_(enabled) {}

  bool enabled() const { return enabled_; }
  double scale() const { return enabled_ ? scale_ : 1.0; }
  /// Divides gradients by the scale, in place. True where one of them is not finite.
  bool unscale(const std::vector<at::Tensor>& gradients) const;
  /// Whether an overflow cannot be due to the scale, which is as low as it is of use.
  bool exhausted() const { return scale_ <= 1.0; }
  /// To be called once after each step.
  void update(bool overflowed);

  config::Json state() const;
  void load_state(const config::Json& state);

 private:
  bool enabled_;
  double scale_ = 65536.0;
  std::int64_t good_steps_ = 0;  ///< in a row, since the scale last changed
};

}  // namespace echopath::training
