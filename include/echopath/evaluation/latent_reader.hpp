#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "echopath/data/dataset.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/generation/frame_codec.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::evaluation {

/// Which frames of a video of `count` frames at `fps` to look at; a frame may come twice.
using FrameChoice = std::function<std::vector<std::int64_t>(std::int64_t count, double fps)>;

/// `count` frames (or all, where the video has fewer) spread evenly, the first one among them: as
/// `train reid` takes them for its threshold.
FrameChoice spread_frames(std::int64_t count);

/// Latent frames of a directory: of latents (Latents/), or of videos (Videos/), whose chosen frames
/// the model's VAE encodes. Latents are unscaled posterior means.
class LatentReader {
 public:
  /// Throws DataError where the directory is neither, is empty, or holds latents of another VAE
  /// than the model's.
  static LatentReader open(const std::filesystem::path& directory,
                           const models::ModelDirectory& model, at::Device device);

  const std::filesystem::path& directory() const { return directory_; }
  const std::vector<data::Study>& studies() const;
  /// Whether latents are read and nothing is encoded.
  bool holds_latents() const { return latents_.has_value(); }
  /// The file behind a study.
  std::filesystem::path path_of(const data::Study& study) const;
  /// The chosen frames [n, C, h, w] float32. Throws DataError naming the file where it cannot be
  /// read or its latents are not finite.
  at::Tensor load(const data::Study& study, const FrameChoice& choice) const;

 private:
  std::filesystem::path directory_;
  std::optional<data::LatentDataset> latents_;
  std::optional<data::Dataset> videos_;
  std::shared_ptr<generation::FrameCodec> codec_;
};

/// Warns where two directories are one, hold the same files, or look swapped (only the one given as
/// real was sampled), and returns the warnings.
std::vector<std::string> warn_of_confused_directories(const std::filesystem::path& real,
                                                      const std::filesystem::path& synthetic);

}  // namespace echopath::evaluation
