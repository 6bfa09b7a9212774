#pragma once

#include "echopath/models/class_embedding.hpp"
#include "echopath/models/unet_spatio_temporal.hpp"
#include "training/latent_source.hpp"

namespace echopath::training {

/// Latent video diffusion: a clip of each video, conditioned on its class and on given frames at
/// its start. The reference channels of frames 0…c−1 hold those clean frames and the later ones
/// hold frame c−1; c is drawn from 1 to `context_frames` for each clip.
class LvdmRecipe : public Recipe {
 public:
  LvdmRecipe(const LvdmOptions& options, at::Device device);

  std::vector<NamedModule> modules(int phase) override;
  at::Tensor loss(int phase, const MicroBatch& batch, Figures& figures) override;
  Figures validate() override;
  void check_target(const std::filesystem::path& model_directory) const override;
  void export_model(const std::filesystem::path& model_directory) override;

 private:
  /// Clips with what conditions them.
  struct Clips {
    at::Tensor x0;         ///< [B, T, C, H, W], zero behind a short video's end
    at::Tensor reference;  ///< [B, T, C, H, W]
    at::Tensor valid;      ///< [B, T, 1, 1, 1], 1 where the frame counts
    std::vector<std::int64_t> classes;
  };
  Clips clips(const std::vector<LatentItem>& items, const std::vector<std::int64_t>& chosen,
              const MicroBatch& batch) const;
  void add_clip(const LatentItem& item, std::int64_t step, std::int64_t position, Clips& clips,
                std::vector<at::Tensor>& x0, std::vector<at::Tensor>& reference,
                std::vector<at::Tensor>& valid) const;
  at::Tensor predict(const Clips& clips, const at::Tensor& noisy, const at::Tensor& timesteps,
                     const at::Tensor& labels);
  at::Tensor masked_loss(const Clips& clips, const at::Tensor& output, const at::Tensor& noise,
                         const at::Tensor& timesteps) const;

  LvdmOptions options_;
  at::Device device_;
  LatentSource source_;
  data::BatchOrder order_;
  diffusion::NoiseSchedule schedule_;
  ObjectiveDraws draws_;
  models::UNetSpatioTemporalConditionModel network_;
  models::ClassEmbedding embedding_;
};

}  // namespace echopath::training
