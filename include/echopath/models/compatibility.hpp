#pragma once

#include "echopath/config/options.hpp"

namespace echopath::models {

/// Reproduction switches of the networks and of sampling: each brings back one divergence of a
/// published implementation, for people who compare. The defaults are the correct behaviour. What
/// diverges in training is an option of its recipe: class_dropout, posterior, reference_frame,
/// valid_frame_mask, normalisation.
struct Compatibility {
  /// EchoPath: "no condition" is class 0, so that guidance is a no-op for class 0. A class
  /// embedding of mode "scalar" has no other null; with this, a learned one does without its own
  /// too.
  bool null_is_class_zero = false;
  /// diffusers ≤ 0.27.2 (fixed in 0.28.0, pull request 7268): the temporal cross-attention of
  /// UNetSpatioTemporalConditionModel lays its context out position-major while the sequences are
  /// batch-major, so that sequence b·HW + p reads the label of sample (b·HW + p) mod B.
  bool context_mixup_0_27 = false;
  /// EchoNet-Synthetic and EchoPath `padf`: sizes that are multiples of eight are padded by four on
  /// each side too, and an odd difference is rounded down (15 → 15).
  bool pad_multiples_of_eight = false;

  void visit(config::Visitor& v);
};

}  // namespace echopath::models
