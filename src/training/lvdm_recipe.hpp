#pragma once

#include "echopath/data/batching.hpp"
#include "echopath/models/class_embedding.hpp"
#include "echopath/models/unet_spatio_temporal.hpp"
#include "training/heart_cycles.hpp"
#include "training/latent_source.hpp"
#include "training/objective.hpp"

namespace echopath::training {

/// Latent video diffusion: a clip of each video, conditioned on its class and on given frames at
/// its start. The reference channels of frames 0…c−1 hold those clean frames and the later ones
/// hold frame c−1, or with held_frame heart_frame a frame that videos may start from; c is drawn
/// from 1 to `context_frames` for each clip. With heart_cycle_conditioning two more channels hold
/// heart_phase() of the clip's frames.
class LvdmRecipe : public Recipe {
 public:
  LvdmRecipe(const LvdmOptions& options, at::Device device);

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
  /// Clips `x0` [B, T, C, H, W] (zero behind a short video's end) and what conditions them:
  /// `given` [B, T, K, H, W] (the reference, and the heart's phase where it counts), `valid` [B, T,
  /// 1, 1, 1] (1 where the frame counts), `conditions` [B]; and `noise`.
  Batch clips(const std::vector<LatentItem>& items, const std::vector<std::int64_t>& chosen,
              const MicroBatch& batch) const;
  /// Reference latents [T, C, H, W] of a clip whose first `valid` frames count.
  at::Tensor reference(const LatentItem& item, const at::Tensor& frames, std::int64_t valid,
                       std::int64_t step, std::int64_t position) const;
  /// heart_phase() of the clip of this video from frame `first` on, `shape` [T, C, h, w] its
  /// latents'.
  at::Tensor phase(const LatentItem& item, std::int64_t first, at::IntArrayRef shape) const;
  /// The network's answer [B, T, C, H, W] to the noisy clips.
  at::Tensor predict(const Batch& batch, const at::Tensor& noisy);

  LvdmOptions options_;
  at::Device device_;
  LatentSource source_;
  data::BatchOrder order_;
  DiffusionLoss objective_;
  ObjectiveDraws draws_;
  HeartCycles heart_cycles_;  ///< empty where they do not count
  HeartFrames heart_frames_;  ///< any where they do not count
  models::UNetSpatioTemporalConditionModel network_;
  models::ClassEmbedding embedding_;
};

}  // namespace echopath::training
