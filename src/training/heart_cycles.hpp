#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "echopath/core/random.hpp"
#include "echopath/models/heart_cycle.hpp"
#include "training/latent_source.hpp"

namespace echopath::training {

/// Where each video stands in the heart's cycle, measured on its latents, without an ECG.
///
/// A video's rate is that of its autocorrelation (data::measure_heartbeat). Its phase is found by
/// comparison: the part of it that goes with the rate, a complex pattern over cells of 2×2 latents,
/// is turned until it agrees best with the mean pattern of all videos, in rounds (the power method
/// of angular synchronisation, Singer 2011). Phase 0 is where the hearts move least, on the mean.
/// Views must be alike (one window of the chest, one orientation) for a common pattern to be there.
class HeartCycles {
 public:
  HeartCycles() = default;
  /// Of the training and validation videos. Throws DataError where fewer than half of the training
  /// videos have a clear beat and the common pattern.
  HeartCycles(const LatentSource& source, const LatentDataOptions& options);

  /// None for a video without a clear beat, or whose motion is not that of the others.
  std::optional<models::HeartCycle> of(const LatentItem& item) const;
  /// The rates of the videos of a split by class, `names` in label order.
  models::HeartRates rates(const std::vector<LatentItem>& items,
                           const std::vector<std::string>& names) const;
  /// Frames of the video at most `window` cycles from phase 0, the nearest where there is none;
  /// none at all where its cycle is not known.
  std::vector<std::int64_t> still_frames(const LatentItem& item, double window) const;

 private:
  double fps_ = 0.0;
  std::map<const LatentItem*, models::HeartCycle> cycles_;
};

/// Which frames of each video can be the heart frame that a video starts from.
class HeartFrames {
 public:
  HeartFrames() = default;  ///< any frame
  /// Those at most `window` cycles from the moment at which hearts move least. Of a video whose
  /// cycle is not known, any, with a warning.
  HeartFrames(const HeartCycles& cycles, const LatentSource& source, double window);

  /// One of the video's, evenly drawn with this key and place in its stream.
  std::int64_t choose(const LatentItem& item, const NoiseKey& key, std::uint32_t place = 0) const;

 private:
  std::map<const LatentItem*, std::vector<std::int64_t>> frames_;
};

}  // namespace echopath::training
