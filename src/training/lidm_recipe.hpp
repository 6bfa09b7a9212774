#pragma once

#include <memory>

#include "echopath/data/batching.hpp"
#include "echopath/models/class_embedding.hpp"
#include "echopath/models/latent_image_model.hpp"
#include "training/heart_cycles.hpp"
#include "training/latent_source.hpp"
#include "training/objective.hpp"

namespace echopath::training {

/// Latent image diffusion: a random frame of each video (near the heart's stillest moment, where
/// heart_phase_window asks for it), conditioned on its class.
class LidmRecipe : public Recipe {
 public:
  LidmRecipe(const LidmOptions& options, at::Device device);

  std::vector<NamedModule> modules(int phase) override;
  Batch load(const MicroBatch& batch) const override;
  at::Tensor loss(int phase, const Batch& batch, Figures& figures) override;
  Figures validate() override;
  std::vector<LossAtLevel> take_losses_by_level() override;
  std::int64_t training_items() const override;
  std::vector<NamedFrames> samples(const std::filesystem::path& model_directory) override;
  void check_target(const std::filesystem::path& model_directory) const override;
  void export_model(const std::filesystem::path& model_directory, std::int64_t steps) override;

 private:
  /// Scaled latents `x0` [B, C, H, W] of one random frame of each item, their `conditions` [B], and
  /// `noise`.
  Batch frames(const std::vector<LatentItem>& items, const std::vector<std::int64_t>& chosen,
               const MicroBatch& batch) const;
  /// The network's answer [B, C, H, W] to the noisy frames.
  at::Tensor predict(const Batch& batch, const at::Tensor& noisy);

  LidmOptions options_;
  at::Device device_;
  LatentSource source_;
  data::BatchOrder order_;
  DiffusionLoss objective_;
  ObjectiveDraws draws_;
  HeartFrames heart_frames_;  ///< any where the window is open
  std::unique_ptr<models::LatentImageModel> network_;
  models::ClassEmbedding embedding_{nullptr};  ///< empty where unconditional
};

/// The network that the options describe.
std::unique_ptr<models::LatentImageModel> make_lidm(const LidmOptions& options);

}  // namespace echopath::training
