#pragma once

#include <limits>

#include "echopath/data/batching.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/models/reid.hpp"
#include "echopath/training/options.hpp"
#include "echopath/training/recipe.hpp"

namespace echopath::training {

/// Re-identification: are two latent frames of one patient? Pairs as EchoNet-Synthetic draws them:
/// half of them two different frames of one video, half of two videos (here: of two patients).
class ReidRecipe : public Recipe {
 public:
  ReidRecipe(const ReidOptions& options, at::Device device);

  std::vector<NamedModule> modules(int phase) override;
  at::Tensor loss(int phase, const MicroBatch& batch, Figures& figures) override;
  Figures validate() override;
  bool keeps_best() const override { return true; }
  bool finished() const override { return validations_without_gain_ >= options_.patience; }
  std::map<std::string, double> state() const override;
  void load_state(const std::map<std::string, double>& state) override;
  void check_target(const std::filesystem::path& model_directory) const override;
  void export_model(const std::filesystem::path& model_directory) override;

 private:
  struct Video {
    data::Study study;
    at::Tensor mean;  ///< [T, C, H, W], memory-mapped
  };
  struct Pairs {
    at::Tensor a;  ///< [B, C, H, W], normalised
    at::Tensor b;
    at::Tensor same;  ///< [B], 1 where one patient
  };
  std::vector<Video> load(const data::LatentDataset& dataset, const std::string& split) const;
  at::Tensor frame(const Video& video, std::int64_t index) const;
  Pairs pairs(const std::vector<Video>& videos, const std::vector<std::int64_t>& chosen,
              const MicroBatch& batch) const;
  at::Tensor embeddings(const std::vector<Video>& videos);

  ReidOptions options_;
  at::Device device_;
  std::string encoder_hash_;  ///< of the VAE that made the latents
  std::vector<Video> train_;
  std::vector<Video> val_;
  std::vector<Video> held_out_;  ///< of `threshold.split`: tau compares them with `train_`
  data::BatchOrder order_;
  models::ReIdNet network_;
  double best_loss_ = std::numeric_limits<double>::infinity();
  std::int64_t validations_without_gain_ = 0;
};

/// Area under the ROC curve of scores for the positives of `positive` (ties count half).
double area_under_roc(const std::vector<double>& scores, const std::vector<bool>& positive);

/// The p-th percentile with linear interpolation between order statistics, as numpy's default.
double percentile(std::vector<double> values, double p);

}  // namespace echopath::training
