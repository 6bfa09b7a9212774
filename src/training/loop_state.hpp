#pragma once

#include <cstdint>
#include <limits>

#include "echopath/config/options.hpp"
#include "echopath/training/options.hpp"
#include "echopath/training/recipe.hpp"
#include "training/loss_scaler.hpp"
#include "training/step_guard.hpp"

namespace echopath::training {

/// Where the loop of a run is, apart from its tensors and its recipe.
struct LoopState {
  explicit LoopState(const LoopOptions& loop)
      : scaler(loop.precision == "fp16"), guard(loop.loss_spike_factor) {}

  std::int64_t step = 0;  ///< finished steps
  LossScaler scaler;
  StepGuard guard;
  // On rank 0:
  Figures validation;                                     ///< the last one
  std::int64_t validated_step = -1;                       ///< when it was
  double best = std::numeric_limits<double>::infinity();  ///< smallest first figure of one
  std::int64_t best_step = -1;                            ///< whose it is; −1: nobody's

  config::Json to_json() const;
  void from_json(const config::Json& json);
};

}  // namespace echopath::training
