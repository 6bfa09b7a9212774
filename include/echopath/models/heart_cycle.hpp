#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"

namespace echopath::models {

struct ModelInfo;

/// Input channels of an LVDM that is conditioned on the heart's cycle, behind those of the
/// reference.
constexpr std::int64_t kPhaseChannels = 2;

/// Whether an LVDM of so many channels is told the heart's cycle.
constexpr bool takes_heart_cycle(std::int64_t in_channels, std::int64_t out_channels) {
  return in_channels == 2 * out_channels + kPhaseChannels;
}

/// A steady heartbeat from some moment on.
struct HeartCycle {
  double beats_per_minute = 0.0;
  /// Part of the cycle, 0 to 1, that has passed at that moment since the heart moved least.
  double start = 0.0;

  /// The same from so many seconds later on.
  HeartCycle after(double seconds) const;
};

/// How far the heart is in its cycle in each of `frames` frames: `[frames, 2, height, width]`,
/// float32, the planes cos φ and sin φ with φ = 2π · (start + t / fps · beats_per_minute / 60).
/// All zero where the cycle is unknown.
at::Tensor heart_phase(const std::optional<HeartCycle>& cycle, double fps, std::int64_t frames,
                       std::int64_t height, std::int64_t width);

/// The heart rates of the videos an LVDM was trained on, from which a sampler draws one for each
/// video: eleven percentiles of each class, the 5th to the 95th. Of few videos they are nearly
/// single patients' own.
class HeartRates {
 public:
  /// `rates[class]`: beats per minute of videos with a clear beat; a class may have none.
  static HeartRates of(const std::map<std::string, std::vector<double>>& rates);
  /// Reads to_json()'s answer. Throws DataError naming `source`.
  static HeartRates from_json(const config::Json& json, const std::string& source);
  /// Those in a model directory's description; none where its LVDM is not conditioned on the
  /// heart's cycle. Throws DataError naming the directory.
  static std::optional<HeartRates> learned(const ModelInfo& info, const std::string& directory);
  config::Json to_json() const;

  /// The rate at a share of the way through the class's percentiles, 0 to 1; none where its videos
  /// had no clear beat.
  std::optional<double> at(const std::string& class_name, double share) const;

 private:
  std::map<std::string, std::vector<double>> percentiles_;  ///< 11 values, rising
};

}  // namespace echopath::models
