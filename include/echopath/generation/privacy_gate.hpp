#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "echopath/models/model_directory.hpp"
#include "echopath/models/reid_threshold.hpp"

namespace echopath::generation {

/// The re-identification filter of EchoNet-Synthetic: a frame that is too like a training frame
/// does not pass.
class PrivacyGate {
 public:
  /// Reads reid/, its training embeddings and its threshold. Throws DataError where a part is
  /// missing, or where the parts do not belong together.
  static PrivacyGate open(const models::ModelDirectory& model, at::Device device);

  /// `embeddings` `[N, E]` of the training frames, N ≥ 1.
  PrivacyGate(models::ReIdNet network, at::Tensor embeddings, models::ReIdThreshold threshold);

  /// The largest Pearson correlation of the embedding of a latent frame `[C, h, w]` with those of
  /// the training frames. The frame is normalised to [−1, 1] first, so its scale does not matter.
  double similarity(const at::Tensor& latent) const;
  /// Strictly below τ.
  bool passes(double similarity) const { return similarity < threshold_.tau; }
  double tau() const { return threshold_.tau; }

 private:
  mutable models::ReIdNet network_;
  at::Tensor embeddings_;
  models::ReIdThreshold threshold_;
};

/// A heart frame and how it came through the gate.
struct HeartFrame {
  at::Tensor latent;                 ///< [C, h, w]
  std::optional<double> similarity;  ///< to the nearest training frame; empty without a gate
  std::int64_t redraws = 0;          ///< candidates refused, this one too unless it passed
  bool filtered = false;             ///< whether it passed a gate
};

/// Draws candidates until one passes. Without a gate the first one is taken.
/// When `max_redraws` redraws have failed: throws DataError, or, with `allow_unfiltered`, answers
/// the candidate that was least like a training frame.
HeartFrame draw_heart_frame(const std::function<at::Tensor(std::uint32_t attempt)>& draw,
                            const PrivacyGate* gate, std::int64_t max_redraws,
                            bool allow_unfiltered);

}  // namespace echopath::generation
