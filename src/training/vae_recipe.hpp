#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "echopath/core/random.hpp"
#include "echopath/data/batching.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/models/autoencoder_kl.hpp"
#include "echopath/training/losses.hpp"
#include "echopath/training/options.hpp"
#include "echopath/training/recipe.hpp"
#include "training/perceptual_loss.hpp"
#include "training/video_cache.hpp"

namespace echopath::training {

/// Autoencoder: L1, multi-scale structural similarity, KL, and from a given step the hinge loss of
/// a patch discriminator, weighted as in latent diffusion (Rombach et al., 2022): by the ratio of
/// the gradients of reconstruction and adversarial loss at the decoder's last layer.
class VaeRecipe : public Recipe {
 public:
  /// Throws DataError where the training split is empty, or where the list or a video of the first
  /// batch has frames of another size than `model.sample_size`.
  VaeRecipe(const VaeOptions& options, at::Device device);

  std::vector<NamedModule> modules(int phase) override;
  int phases() const override { return 2; }
  bool active(int phase, std::int64_t step) const override;
  double learning_rate_factor(int phase) const override;
  Batch load(const MicroBatch& batch) const override;
  at::Tensor loss(int phase, const Batch& batch, Figures& figures) override;
  Figures validate() override;
  std::int64_t training_items() const override { return static_cast<std::int64_t>(train_.size()); }
  /// Validation frames above what becomes of them.
  std::vector<NamedFrames> samples(const std::filesystem::path& model_directory) override;
  void check_target(const std::filesystem::path& model_directory) const override;
  void export_model(const std::filesystem::path& model_directory, std::int64_t steps) override;

  models::AutoencoderKL& model() { return model_; }

 private:
  /// Looks at the listed sizes and decodes the first batch, before anything is written for the run.
  void check_videos();
  /// One random frame of a video of a list, [3, H, W] in [-1, 1], and the file's name; where videos
  /// that cannot be read are passed over, of the next one that can.
  std::pair<at::Tensor, std::string> random_frame(const std::vector<data::Study>& studies,
                                                  std::int64_t item, const NoiseKey& key) const;
  /// What the decoder gets: a draw of the posterior, or its mean.
  at::Tensor latents(const models::DiagonalGaussian& posterior, const MicroBatch& batch);
  /// [3, H, W] in [-1, 1]. Throws DataError on a video of another size than the network's.
  at::Tensor image(const data::Study& study, std::int64_t frame) const;
  /// What the discriminator sees of grey images [B, 1, H, W]: three equal channels, or grey levels
  /// of whole numbers, would give the real ones away. `side` is 0 for real, 1 for reconstructed.
  at::Tensor judged_view(const at::Tensor& grey, const MicroBatch& batch, std::uint32_t side);
  at::Tensor adversarial_term(const at::Tensor& reconstruction_loss, const at::Tensor& fake,
                              Figures& figures);
  double measure_scaling_factor();
  /// The same frames of the validation split each time; none where there is no such split.
  std::vector<at::Tensor> held_out_frames(std::int64_t count) const;

  VaeOptions options_;
  at::Device device_;
  data::Dataset dataset_;
  std::vector<data::Study> train_;
  std::vector<data::Study> val_;
  mutable VideoCache cache_;
  data::BatchOrder order_;
  models::AutoencoderKL model_;
  PatchDiscriminator discriminator_;
  std::optional<PerceptualLoss> perceptual_;
  /// Images and their reconstructions, kept for phase 1 by the micro-batch's first position.
  std::map<std::int64_t, std::pair<at::Tensor, at::Tensor>> judged_;
};

}  // namespace echopath::training
