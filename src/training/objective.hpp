#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "echopath/core/random.hpp"
#include "echopath/diffusion/schedule.hpp"
#include "echopath/models/compatibility.hpp"
#include "echopath/training/options.hpp"
#include "echopath/training/recipe.hpp"

namespace echopath::training {

/// What an LVDM is given of an item besides its class. The values are words of the item's
/// condition-drop key, whose word 0 is for the class.
enum class GivenPart : std::uint32_t { kReference = 1, kHeartCycle = 2 };

/// The random parts of the diffusion objective, each keyed by (seed, step, position).
class ObjectiveDraws {
 public:
  ObjectiveDraws(const ObjectiveOptions& options, const models::Compatibility& compatibility,
                 std::int64_t seed);

  NoiseKey key(Stream stream, std::int64_t step, std::int64_t position) const;
  /// `conditions` [B], each replaced by `null` with the class dropout's probability.
  at::Tensor drop_conditions(const at::Tensor& conditions, const MicroBatch& batch,
                             std::int64_t null) const;
  /// Whether this part of what an item is given is left out, which has this probability;
  /// independent of whether the other parts and its class are.
  bool drops(GivenPart part, double probability, std::int64_t step, std::int64_t position) const;
  /// Time steps [B], uniform over the schedule or logit-normal.
  at::Tensor timesteps(const MicroBatch& batch) const;
  /// Noise [B, item shape…] with the noise offset over all but the channel dimension, which is
  /// `channel_dimension` of an item. Of items [T, C, h, w] the frames have the part `correlation`
  /// of its variance in common.
  at::Tensor noise(const MicroBatch& batch, at::IntArrayRef item_shape,
                   std::int64_t channel_dimension, double correlation = 0.0) const;

 private:
  std::int64_t timestep(const NoiseKey& key) const;

  ObjectiveOptions options_;
  double class_dropout_;
  std::uint64_t seed_;
};

/// The diffusion loss of LIDM and LVDM, over the tensors `x0`, `noise` (the same shape),
/// `timesteps` [B] and, where only some elements count, `valid` (1 or 0, broadcast against x0) of a
/// batch.
class DiffusionLoss {
 public:
  explicit DiffusionLoss(const ObjectiveOptions& options);

  /// x_t, as x0.
  at::Tensor noisy(const Batch& batch) const;
  /// Mean squared error [B] of a network's answers, each over all elements of an item, those that
  /// do not count being 0.
  at::Tensor errors(const Batch& batch, const at::Tensor& output) const;
  /// What is minimised: the mean of the errors, over several scales and weighted by their noise
  /// levels where the options say so. Remembers each item's plain error.
  at::Tensor training_loss(const Batch& batch, const at::Tensor& output);

  /// The middle of part `level` of `levels` equal parts of the schedule.
  std::int64_t fixed_timestep(std::int64_t level, std::int64_t levels) const;
  /// Errors remembered since the last call, oldest first; no more than the latest few thousand.
  std::vector<LossAtLevel> take_losses_by_level();

 private:
  /// Answers minus targets, as x0; 0 where an element does not count.
  at::Tensor differences(const Batch& batch, const at::Tensor& output) const;

  struct Remembered {
    at::Tensor timesteps, errors;
  };

  ObjectiveOptions options_;
  diffusion::NoiseSchedule schedule_;
  std::vector<Remembered> remembered_;  ///< of training_loss(), where the network computed them
  std::int64_t remembered_items_ = 0;
};

/// Held-out errors at fixed noise levels: `val_loss`, their mean, then `val_loss/t=…` of each.
class ValidationByLevel {
 public:
  void add(std::int64_t timestep, const at::Tensor& errors);
  Figures figures() const;

 private:
  std::vector<std::pair<std::int64_t, double>> levels_;
};

}  // namespace echopath::training
