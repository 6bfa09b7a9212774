#pragma once

#include "echopath/data/batching.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/models/reid.hpp"
#include "echopath/training/options.hpp"
#include "echopath/training/recipe.hpp"
#include "training/early_stopping.hpp"

namespace echopath::training {

/// Re-identification: are two latent frames of one patient? Pairs as EchoNet-Synthetic draws them:
/// half of them two different frames of one video, half of two videos (here: of two patients).
class ReidRecipe : public Recipe {
 public:
  ReidRecipe(const ReidOptions& options, at::Device device);

  std::vector<NamedModule> modules(int phase) override;
  Batch load(const MicroBatch& batch) const override;
  at::Tensor loss(int phase, const Batch& batch, Figures& figures) override;
  Figures validate() override;
  bool keeps_best() const override { return true; }
  bool finished() const override { return stopping_.finished(); }
  std::map<std::string, double> state() const override { return stopping_.state(); }
  void load_state(const std::map<std::string, double>& state) override {
    stopping_.load_state(state);
  }
  void check_target(const std::filesystem::path& model_directory) const override;
  std::int64_t training_items() const override { return static_cast<std::int64_t>(train_.size()); }
  void export_model(const std::filesystem::path& model_directory, std::int64_t steps) override;

 private:
  struct Video {
    data::Study study;
    at::Tensor mean;  ///< [T, C, H, W], memory-mapped
  };
  std::vector<Video> load(const data::LatentDataset& dataset, const std::string& split) const;
  at::Tensor frame(const Video& video, std::int64_t index) const;
  /// Frames `a` and `b` [B, C, H, W], normalised, and `same` [B], 1 where of one patient.
  Batch pairs(const std::vector<Video>& videos, const std::vector<std::int64_t>& chosen,
              const MicroBatch& batch) const;
  /// [B], positive where the network takes the pair for one patient.
  at::Tensor logits(const Batch& batch);
  at::Tensor embeddings(const std::vector<Video>& videos);

  ReidOptions options_;
  at::Device device_;
  std::string encoder_hash_;  ///< of the VAE that made the latents
  std::vector<Video> train_;
  std::vector<Video> val_;
  std::vector<Video>
      held_out_;  ///< of `compatibility.privacy_split`: tau compares them with `train_`
  data::BatchOrder order_;
  models::ReIdNet network_;
  EarlyStopping stopping_;
};

}  // namespace echopath::training
