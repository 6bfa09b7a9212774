#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/core/random.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/models/class_embedding.hpp"
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
  /// Throws DataError on damaged latents (unless they are to be passed over), an empty split, or a
  /// class that `options.classes` lacks. Videos without a class are of the only one, where there is
  /// one.
  LatentSource(const LatentDataOptions& options, const models::Compatibility& compatibility);

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
  std::int64_t label_of(const data::Study& study) const;
  std::vector<LatentItem> load(const std::vector<data::Study>& studies,
                               const data::LatentDataset& dataset) const;

  LatentDataOptions options_;
  bool draw_posterior_;
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

std::vector<std::int64_t> labels_of(const std::vector<LatentItem>& items);

/// What conditions a network on these items, [B]: class ids, int64; or, where the embedding's
/// source is `ef`, the ejection fractions as parts of one, float32 (EchoNet-Synthetic: EF / 100).
at::Tensor conditions_of(const std::vector<const LatentItem*>& items,
                         const models::ClassEmbeddingConfig& embedding);
/// Throws DataError naming the first item without what the embedding takes.
void require_conditions(const LatentSource& source, const models::ClassEmbeddingConfig& embedding,
                        const std::string& latents);

/// Steps reserved for validation draws, so that they never equal a training step's.
constexpr std::int64_t kValidationStep = 0xFFFFFFFF;

}  // namespace echopath::training
