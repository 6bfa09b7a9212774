#pragma once

#include <ATen/ATen.h>

namespace echopath::evaluation {

/// Which rows of [N, K] are no class probabilities: a number outside [0, 1], or a sum that is not 1
/// to 1e-3. [N], bool.
inline at::Tensor improbable_rows(const at::Tensor& rows) {
  constexpr double kTolerance = 1e-3;
  const at::Tensor p = rows.to(at::kDouble);
  // Comparisons with what is not a number are false.
  const at::Tensor within = p.ge(0).logical_and(p.le(1 + kTolerance)).all(1);
  return within.logical_and(p.sum(1).sub(1).abs().le(kTolerance)).logical_not();
}

}  // namespace echopath::evaluation
