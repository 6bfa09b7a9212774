#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace echopath::models {

struct ConvertOptions {
  std::string source;  ///< file or folder, see Conversion
  std::string config;  ///< config.json for weights that come without one, or another than theirs
  bool allow_nonfinite = false;
};

/// What was found of one network, and what becomes of it.
struct NetworkReport {
  std::string name;        ///< folder inside the destination; empty: the destination itself
  std::string where;       ///< the file that was read
  std::string format;      ///< "safetensors in 3 shards", "torch.save, stream format", …
  std::string class_name;  ///< diffusers' or ours
  std::int64_t parameters = 0;
  /// Every tensor that is written: its name in the source and in the network. A name of the network
  /// that stands for itself with an empty source is filled in (BatchNorm's step counters).
  std::vector<std::pair<std::string, std::string>> keys;
  std::vector<std::string> missing;   ///< names that the network has and the source lacks
  std::vector<std::string> surplus;   ///< names of the source that the network lacks
  std::vector<std::string> left_out;  ///< what stands beside the network: optimizer, discriminator
  std::vector<std::string> notes;     ///< assumptions and choices, one sentence each
};

/// Weights or latents on their way into this program's layout, which is diffusers' too.
///
/// The source is known by its content:
/// - a diffusers directory (config.json beside safetensors, shards with an index, or .bin), with
///   current or legacy attention names; a folder of such folders (a pipeline, a model directory);
/// - a checkpoint folder of accelerate, of which the EMA weights are taken, or the only one in a
///   folder;
/// - a file of safetensors or torch.save with a state dict, bare or wrapped (state_dict, model,
///   module.): the diffusers networks, the VAE of the original latent-diffusion code, torchvision's
///   resnet50, r3d_18 and r2plus1d_18, the re-identification network;
/// - the reference code's latents: one .pt of [T, C, H, W], a latents directory of them, or a
///   folder of them without FileList.csv.
class Conversion {
 public:
  /// Reads the source, memory-mapped where it is safetensors, and compares it with the network.
  /// Throws DataError where it is not recognised or damaged, ConfigError on a config that cannot be
  /// built. Weights that do not fit are no error yet: see require_complete().
  explicit Conversion(ConvertOptions options);
  ~Conversion();
  Conversion(const Conversion&) = delete;
  Conversion& operator=(const Conversion&) = delete;

  const std::vector<NetworkReport>& networks() const;
  /// How many videos' latents the source holds; 0 where it holds networks.
  std::int64_t latent_videos() const;
  /// Parts of the source that are no network and not converted.
  const std::vector<std::string>& left_out() const;

  /// Throws one DataError that lists everything missing, left over, of another shape or dtype, and
  /// (unless allowed) not finite.
  void require_complete() const;

  /// Throws what write() would before it writes: require_complete(), latents that are not finite,
  /// and, where `destination` is not empty, one that exists or is named wrongly.
  void require_convertible(const std::filesystem::path& destination) const;

  /// Writes `destination`, which must not exist, in one step: config.json and
  /// diffusion_pytorch_model.safetensors, or a folder of such folders; a latents directory, a
  /// folder of latents where the source has no list, or for a single latent the file `destination`.
  /// Floating-point types stay, float64 becomes float32.
  void write(const std::filesystem::path& destination) const;

 private:
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

}  // namespace echopath::models
