#pragma once

#include <memory>

#include "echopath/models/class_embedding.hpp"
#include "echopath/models/latent_image_model.hpp"
#include "training/latent_source.hpp"

namespace echopath::training {

/// Latent image diffusion: a random frame of each video, conditioned on its class.
class LidmRecipe : public Recipe {
 public:
  LidmRecipe(const LidmOptions& options, at::Device device);

  std::vector<NamedModule> modules(int phase) override;
  at::Tensor loss(int phase, const MicroBatch& batch, Figures& figures) override;
  Figures validate() override;
  void check_target(const std::filesystem::path& model_directory) const override;
  void export_model(const std::filesystem::path& model_directory) override;

 private:
  at::Tensor predict(const at::Tensor& noisy, const at::Tensor& timesteps,
                     const at::Tensor& labels);

  LidmOptions options_;
  at::Device device_;
  LatentSource source_;
  data::BatchOrder order_;
  diffusion::NoiseSchedule schedule_;
  ObjectiveDraws draws_;
  std::unique_ptr<models::LatentImageModel> network_;
  models::ClassEmbedding embedding_{nullptr};  ///< empty where unconditional
};

/// The network that the options describe.
std::unique_ptr<models::LatentImageModel> make_lidm(const LidmOptions& options);

}  // namespace echopath::training
