#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/core/random.hpp"
#include "echopath/data/batching.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/diffusion/schedule.hpp"
#include "echopath/training/options.hpp"
#include "echopath/training/recipe.hpp"

namespace echopath::training {

/// A latent video of one split, resampled in time to the training rate.
struct LatentItem {
  data::Study study;
  data::LatentVideo latents;         ///< memory-mapped
  std::vector<std::int64_t> frames;  ///< source frame of every frame at the training rate
  std::int64_t label = 0;
};

/// Latents of the training and validation splits with their class ids.
class LatentSource {
 public:
  /// Throws DataError on an empty training split, or a class that `options.classes` lacks.
  explicit LatentSource(const LatentDataOptions& options);

  const std::vector<LatentItem>& train() const { return train_; }
  const std::vector<LatentItem>& val() const { return val_; }
  double scaling_factor() const { return scaling_factor_; }
  const std::string& encoder_hash() const { return encoder_hash_; }
  const std::vector<std::int64_t>& latent_shape() const { return latent_shape_; }

  /// Scaled latents [N, C, H, W] of the frames `first … first+count−1` at the training rate: a draw
  /// from the posterior with noise keyed by `key`, or its mean. Fewer where the video ends.
  at::Tensor frames(const LatentItem& item, std::int64_t first, std::int64_t count,
                    const NoiseKey& key) const;

 private:
  std::vector<LatentItem> load(const std::vector<data::Study>& studies,
                               const data::LatentDataset& dataset) const;

  LatentDataOptions options_;
  std::vector<LatentItem> train_;
  std::vector<LatentItem> val_;
  std::vector<std::int64_t> latent_shape_;
  double scaling_factor_ = 1.0;
  std::string encoder_hash_;
};

/// Throws ConfigError unless a network that takes `channels` channels under `key` fits these
/// latents [C, h, w].
void require_channels(const char* key, std::int64_t channels,
                      const std::vector<std::int64_t>& latent_shape, const std::string& latents);

/// The order in which a run draws the training items, balanced over the classes where asked.
data::BatchOrder make_order(const LatentSource& source, const LatentDataOptions& data,
                            const LoopOptions& loop);

/// The random parts of the diffusion objective, each keyed by (seed, step, position).
class ObjectiveDraws {
 public:
  ObjectiveDraws(const ObjectiveOptions& options, std::int64_t seed)
      : options_(options), seed_(static_cast<std::uint64_t>(seed)) {}

  NoiseKey key(Stream stream, std::int64_t step, std::int64_t position) const;
  /// Labels [B], each replaced by `null_label` with the class dropout's probability.
  at::Tensor labels(const std::vector<std::int64_t>& classes, const MicroBatch& batch,
                    std::int64_t null_label) const;
  /// Time steps [B], uniform over the schedule.
  at::Tensor timesteps(const MicroBatch& batch) const;
  /// Noise [B, item shape…] with the noise offset over all but the channel dimension, which is
  /// `channel_dimension` of an item.
  at::Tensor noise(const MicroBatch& batch, at::IntArrayRef item_shape,
                   std::int64_t channel_dimension) const;

 private:
  ObjectiveOptions options_;
  std::uint64_t seed_;
};

/// Steps reserved for validation draws, so that they never equal a training step's.
constexpr std::int64_t kValidationStep = 0xFFFFFFFF;

}  // namespace echopath::training
