#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "echopath/config/options.hpp"

namespace echopath::models {

/// reid/threshold.json: when two frames count as the same person. `train reid` writes it beside
/// reid/train_embeddings.safetensors (key `embeddings` [N, E] float32), the privacy gate reads
/// both.
struct ReIdThreshold {
  double tau = 1.0;          ///< a frame whose Pearson similarity reaches this is too near
  double percentile = 95.0;  ///< of the similarities over which `tau` was taken
  std::string calibration = "validation";  ///< the split compared with TRAIN to find `tau`
  std::string normalisation = "frame";     ///< frame: each frame to [−1, 1]; video: each video
  std::int64_t training_frames = 0;        ///< N, rows of the training embeddings
  std::string weights_hash;                ///< SHA-256 of the re-ID weights that `tau` belongs to
  std::string embeddings_hash;             ///< SHA-256 of train_embeddings.safetensors

  config::Json to_json() const;
  /// Throws DataError naming `source` and the key that is missing or wrong.
  static ReIdThreshold from_json(const config::Json& json, const std::string& source);
};

/// Reads reid/threshold.json. Throws DataError naming the file and the key.
ReIdThreshold read_reid_threshold(const std::filesystem::path& path);
/// Writes it atomically.
void write_reid_threshold(const std::filesystem::path& path, const ReIdThreshold& threshold);

}  // namespace echopath::models
