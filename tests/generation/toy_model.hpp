#pragma once

#include <torch/torch.h>

#include <atomic>
#include <filesystem>
#include <string>

#include "echopath/core/files.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/models/heart_cycle.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/reid_threshold.hpp"

namespace echopath::generation::testing {

/// A folder that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<int> count{0};
    path_ = fs::temp_directory_path() /
            ("echopath_generation_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
    fs::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

struct ToyModelOptions {
  std::int64_t block_length = 6;
  std::int64_t context_frames = 2;
  double tau = 2.0;  ///< no correlation reaches it: every frame passes
  bool with_reid = true;
  bool with_lvdm = true;
  bool heart_cycle = false;  ///< an LVDM that is conditioned on it
  std::string held_frame = "last_given";
  double noise_correlation = 0.0;
};

constexpr std::int64_t kToyLatentSize = 14;  ///< padded to 16 for the UNets
constexpr std::int64_t kToyImageSize = 28;

inline models::AutoencoderKL toy_vae() {
  models::AutoencoderKLConfig config;
  config.block_out_channels = {8, 8};
  config.layers_per_block = 1;
  config.norm_num_groups = 4;
  config.sample_size = kToyImageSize;
  return models::AutoencoderKL(config);
}

inline models::UNet2DConditionModel toy_lidm() {
  models::UNet2DConditionConfig config;
  config.down_block_types = {"AttnDownBlock2D", "DownBlock2D"};
  config.up_block_types = {"UpBlock2D", "AttnUpBlock2D"};
  config.block_out_channels = {8, 8};
  config.layers_per_block = {1};
  config.norm_num_groups = 4;
  config.cross_attention_dim = {8};
  config.attention_head_dim = {4};
  return models::UNet2DConditionModel(config);
}

inline models::UNetSpatioTemporalConditionModel toy_lvdm(bool heart_cycle) {
  models::UNetSpatioTemporalConfig config;
  if (heart_cycle) {
    config.in_channels += models::kPhaseChannels;
    config.norm_num_groups = 8;
  }
  config.down_block_types = {"CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"};
  config.up_block_types = {"UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"};
  config.block_out_channels = {32, 32};
  config.layers_per_block = {1};
  config.cross_attention_dim = {8};
  config.num_attention_heads = {4, 4};
  return models::UNetSpatioTemporalConditionModel(config);
}

inline models::ReIdNet toy_reid() {
  models::ReIdConfig config;
  config.width = 4;
  config.depths = {1, 1, 1, 1};
  config.block = "basic";
  config.embedding_dim = 8;
  return models::ReIdNet(config);
}

template <class Module>
void save_toy(const fs::path& directory, const std::string& name, const std::string& class_name,
              const Module& module) {
  auto config = module->config();
  models::save_component(
      directory, {name, class_name, config::dump(config::visit_of(config)), at::kFloat}, *module);
}

inline void save_toy_gate(const fs::path& directory, double tau) {
  const models::ReIdNet reid = toy_reid();
  save_toy(directory, "reid", "ReIdNet", reid);
  const fs::path embeddings = directory / "reid" / "train_embeddings.safetensors";
  io::save_safetensors(embeddings, {{"embeddings", torch::rand({5, 8})}});
  models::ReIdThreshold threshold;
  threshold.tau = tau;
  threshold.training_frames = 5;
  threshold.weights_hash = models::ModelDirectory::open(directory).component_hash("reid");
  threshold.embeddings_hash = sha256_file(embeddings);
  models::write_reid_threshold(directory / "reid" / "threshold.json", threshold);
}

/// Writes a model directory of tiny networks with random weights, the same at every call.
inline void write_toy_model(const fs::path& directory, const ToyModelOptions& options = {}) {
  torch::manual_seed(1);
  const models::ClassEmbedding embedding(models::ClassEmbeddingConfig{2, 8, "learned"});
  save_toy(directory, "vae", "AutoencoderKL", toy_vae());
  save_toy(directory, "lidm", "UNet2DConditionModel", toy_lidm());
  models::save_class_embedding(directory, "lidm", embedding);
  if (options.with_lvdm) {
    save_toy(directory, "lvdm", "UNetSpatioTemporalConditionModel", toy_lvdm(options.heart_cycle));
    models::save_class_embedding(directory, "lvdm", embedding);
  }
  models::save_schedule(directory, {});
  models::update_model_info(directory, [&](models::ModelInfo& info) {
    info.class_names = {"ASD", "Non-ASD"};
    info.null_token = 2;
    info.latent_shape = {4, kToyLatentSize, kToyLatentSize};
    info.image_size = kToyImageSize;
    info.block_length = options.block_length;
    info.context_frames = options.context_frames;
    info.held_frame = options.held_frame;
    info.noise_correlation = options.noise_correlation;
    if (options.heart_cycle) {
      info.trained_on["lvdm"]["heart_rates"] =
          models::HeartRates::of({{"ASD", {60.0, 80.0}}, {"Non-ASD", {}}}).to_json();
    }
  });
  if (options.with_reid) save_toy_gate(directory, options.tau);
}

/// The model most tests sample from, written once per process.
inline const fs::path& shared_toy_model() {
  static const TemporaryFolder folder;
  static const fs::path path = [] {
    write_toy_model(folder / "model");
    return folder / "model";
  }();
  return path;
}

}  // namespace echopath::generation::testing
