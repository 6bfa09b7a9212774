#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <vector>

#include "echopath/data/dataset.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::data {

/// The posterior of one encoded video, unscaled: mean and logvar [T, C, H, W] float32.
struct LatentVideo {
  at::Tensor mean;
  at::Tensor logvar;
};

/// What the reference code multiplied its latents by; its files do not say.
constexpr double kReferenceScalingFactor = 0.18215;

/// The reference code's latents of one video: a file of torch.save with one tensor [T, C, H, W],
/// scaled, one draw of the posterior. Its mean is the draw divided by kReferenceScalingFactor, its
/// logvar −30. Throws DataError.
LatentVideo read_reference_latents(const std::filesystem::path& path);

/// A latents directory: FileList.csv + Latents/NAME.safetensors (`mean`, `logvar`), with
/// latent_metadata() in each file. The reference code's
/// NAME.pt files (already scaled, one posterior draw) are readable: their mean is divided by the
/// scaling factor 0.18215 and their logvar is −30.
class LatentDataset {
 public:
  /// Throws DataError on a missing folder, list or latent, and on latents of different sizes,
  /// scaling factors or VAEs; on a damaged file too, unless those are to be left out
  /// (`skip_unreadable`), each with a warning.
  static LatentDataset open(const std::filesystem::path& directory, bool skip_unreadable = false);

  const std::vector<Study>& studies() const { return studies_; }
  std::vector<Study> split(const std::string& name) const;
  std::vector<std::string> class_names() const;
  double scaling_factor() const { return scaling_factor_; }
  const std::string& encoder_hash() const { return encoder_hash_; }
  /// [C, H, W] of one latent frame.
  std::vector<std::int64_t> latent_shape() const { return latent_shape_; }
  /// The file with a study's latents. Throws DataError where it is missing.
  std::filesystem::path latent_path(const Study& study) const;
  /// Memory-mapped: views of the file.
  LatentVideo load(const Study& study) const;

 private:
  std::filesystem::path directory_;
  std::vector<Study> studies_;
  std::vector<std::int64_t> latent_shape_;
  double scaling_factor_ = 1.0;
  std::string encoder_hash_;
};

/// What a latent file says of its making: `scaling_factor`, `pixel_range`, `encoder_hash` and,
/// where it is known, `video_sha256`, the hash of the video file that was encoded.
io::Metadata latent_metadata(double scaling_factor, const std::string& encoder_hash,
                             const std::string& video_sha256 = "");

/// Writes one file of latents atomically.
void save_latents(const std::filesystem::path& path, const LatentVideo& latents,
                  double scaling_factor, const std::string& encoder_hash,
                  const std::string& video_sha256 = "");
/// The same of latents that were made otherwise: `metadata` are those of latent_metadata() and what
/// else there is to say.
void save_latents(const std::filesystem::path& path, const LatentVideo& latents,
                  const io::Metadata& metadata);
/// The same as Latents/NAME.safetensors of a latents directory.
void write_latents(const std::filesystem::path& directory, const Study& study,
                   const LatentVideo& latents, double scaling_factor,
                   const std::string& encoder_hash, const std::string& video_sha256 = "");

}  // namespace echopath::data
