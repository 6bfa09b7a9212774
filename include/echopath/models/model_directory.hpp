#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/diffusion/schedule.hpp"
#include "echopath/models/autoencoder_kl.hpp"
#include "echopath/models/class_embedding.hpp"
#include "echopath/models/classifier.hpp"
#include "echopath/models/compatibility.hpp"
#include "echopath/models/latent_image_model.hpp"
#include "echopath/models/reid.hpp"
#include "echopath/models/unet_spatio_temporal.hpp"
#include "echopath/models/video_resnet.hpp"

namespace echopath::models {

/// echopath.json: what the networks of a model directory have in common.
struct ModelInfo {
  std::vector<std::string> class_names;  ///< in label order
  std::string conditioning = "learned";  ///< learned or scalar
  /// What stands for "no condition": the label class_names.size() in learned mode, the number 0 in
  /// scalar mode.
  std::int64_t null_token = 0;
  double latent_scaling_factor = 0.18215;
  std::vector<std::int64_t> latent_shape;  ///< [C, h, w]
  std::int64_t image_size = 112;
  double fps = 32.0;
  std::int64_t block_length = 64;   ///< frames the LVDM makes at once
  std::int64_t context_frames = 1;  ///< given frames of a block that it was trained with
  /// What its reference holds in the frames behind the given ones: last_given, the last of these,
  /// or heart_frame, the frame that the video starts from.
  std::string held_frame = "last_given";
  /// The part of its noise's variance that the frames of a clip have in common, 0 to 1 (exclusive).
  double noise_correlation = 0.0;
  std::map<std::string, std::string> hashes;       ///< component → SHA-256 of its weights
  std::map<std::string, config::Json> trained_on;  ///< component → what it was trained on, and how

  config::Json to_json() const;
  /// Throws DataError naming `source` and the key.
  static ModelInfo from_json(const config::Json& json, const std::string& source);
  /// The label of a class. Throws DataError listing the known names and the nearest.
  std::int64_t label(const std::string& class_name) const;
};

/// A model directory in diffusers' layout (docs/file_formats.md): {vae,lidm,lvdm,reid}/,
/// class_embedding/, scheduler/, classifiers in folders of their own names, and echopath.json.
/// Networks are loaded on demand, in float32 and in evaluation mode.
class ModelDirectory {
 public:
  /// Reads echopath.json where there is one. Throws DataError where `path` is no model directory.
  static ModelDirectory open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  /// Throws DataError where the directory has no echopath.json.
  const ModelInfo& info() const;

  /// Whether a component (vae, lidm, lvdm, reid, resnet50, r3d_18, r2plus1d_18,
  /// class_embedding/lidm, class_embedding/lvdm, scheduler, or the name of a classifier) is there.
  bool has(const std::string& component) const;
  /// Throws DataError naming the first component that is absent and what makes it.
  void require(const std::vector<std::string>& components) const;
  /// SHA-256 of the component's weights file.
  std::string component_hash(const std::string& component) const;
  /// models::encoder_hash() of the VAE: which latents it understands.
  std::string encoder_hash() const;

  AutoencoderKL load_vae(at::Device device) const;
  std::unique_ptr<LatentImageModel> load_lidm(at::Device device) const;
  /// LatentImageModel::conditional() of the LIDM, by its config.json alone. Throws DataError where
  /// there is no LIDM.
  bool lidm_is_conditional() const;
  UNetSpatioTemporalConditionModel load_lvdm(at::Device device,
                                             Compatibility compatibility = {}) const;
  ReIdNet load_reid(at::Device device) const;
  ResNet load_resnet(at::Device device) const;
  /// `component` is r3d_18 or r2plus1d_18.
  VideoResNet load_video_resnet(const std::string& component, at::Device device) const;
  /// Names of the classifiers and segmentation networks that are there, sorted.
  std::vector<std::string> classifiers() const;
  Classifier load_classifier(const std::string& component, at::Device device) const;
  /// `network` is lidm or lvdm: each was trained with its own embedding.
  ClassEmbedding load_class_embedding(const std::string& network, at::Device device,
                                      Compatibility compatibility = {}) const;
  diffusion::NoiseScheduleOptions schedule() const;

 private:
  std::filesystem::path path_;
  std::optional<ModelInfo> info_;
};

/// A network to write.
struct ComponentWeights {
  std::string name;        ///< the network's folder: vae, lidm, lvdm, reid, resnet50, …
  std::string class_name;  ///< diffusers' `_class_name`
  config::Json config;     ///< config.json without `_class_name`
  at::ScalarType dtype = at::kFloat;
};

/// Whether a classifier may go by this name: letters, digits, `_` and `-`, and no folder that
/// another network has.
bool may_name_classifier(const std::string& name);

/// Writes DIR/<name>/config.json and diffusion_pytorch_model.safetensors, each atomically, the
/// weights first.
void save_component(const std::filesystem::path& directory, const ComponentWeights& component,
                    const torch::nn::Module& module);
/// Writes class_embedding/config.json and class_embedding/<network>.safetensors.
void save_class_embedding(const std::filesystem::path& directory, const std::string& network,
                          const ClassEmbedding& embedding);
/// Writes scheduler/scheduler_config.json.
void save_schedule(const std::filesystem::path& directory,
                   const diffusion::NoiseScheduleOptions& options);
/// Reads echopath.json (or starts a new one), lets `change` edit it, refreshes the hashes of the
/// components present, and writes it atomically.
void update_model_info(const std::filesystem::path& directory,
                       const std::function<void(ModelInfo&)>& change);

}  // namespace echopath::models
