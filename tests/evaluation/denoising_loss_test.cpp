#include "evaluation/denoising_loss.hpp"

#include <gtest/gtest.h>

#include "core/temporary_directory.hpp"
#include "echopath/core/random.hpp"
#include "echopath/diffusion/frame_noise.hpp"
#include "echopath/diffusion/schedule.hpp"
#include "echopath/models/padding.hpp"
#include "evaluation/made_latents.hpp"

namespace echopath::evaluation {
namespace {

namespace toy = generation::testing;

/// The denoising loss of one made video at one noise level, and, by its definition and from the
/// parts of the model, what it should be.
class DenoisingLoss : public ::testing::Test {
 protected:
  /// What `denoising_losses` says of a video of the first class.
  double found(const fs::path& model_directory, const std::string& network, std::int64_t frames) {
    testing::write_latents(folder_.path() / "real", {{"one", "TRAIN", mean(frames)}});
    const models::ModelDirectory model = models::ModelDirectory::open(model_directory);
    const LatentReader reader = LatentReader::open(folder_.path() / "real", model, at::kCPU);
    DenoisingLossOptions asked;
    asked.network = network;
    asked.noise_levels = 1;
    return denoising_losses(model, reader, reader.studies(), asked, at::kCPU).losses.at(0);
  }

  /// The error of `predict(padded noisy latents, timestep 500)`, whose answer is padded too.
  template <class Predict>
  static double expected(const models::ModelDirectory& model, const at::Tensor& mean,
                         const Predict& predict) {
    const diffusion::NoiseSchedule schedule(model.schedule());
    const at::Tensor clean = mean * model.info().latent_scaling_factor;
    const double correlation = mean.dim() == 5 ? model.info().noise_correlation : 0.0;
    const at::Tensor noise =
        diffusion::frame_noise(clean.sizes(), correlation, {0, Stream::kTrainingNoise, 0, 0},
                               {0, Stream::kSharedNoise, 0, 0});
    const at::Tensor t = at::full({1}, 500, at::kLong);
    const models::PaddedLatents padded = models::pad_latents(schedule.add_noise(clean, noise, t));
    const at::Tensor output = models::unpad_latents(predict(padded.latents, t), padded);
    const double alpha = schedule.alpha_cumprod(500);
    const at::Tensor v = std::sqrt(alpha) * noise - std::sqrt(1 - alpha) * clean;
    return (output - v).square().mean().template item<double>();
  }

  static at::Tensor mean(std::int64_t frames) { return testing::drawn_latents(1, frames); }

  TemporaryDirectory folder_;
  const at::NoGradGuard no_grad_;
};

TEST_F(DenoisingLoss, IsTheErrorOfTheLidmAtFixedNoiseLevels) {
  const models::ModelDirectory model = models::ModelDirectory::open(toy::shared_toy_model());
  models::ClassEmbedding embedding = model.load_class_embedding("lidm", at::kCPU);
  const at::Tensor context = embedding->forward(at::zeros({1}, at::kLong));
  const auto network = model.load_lidm(at::kCPU);
  const double loss = expected(model, mean(1), [&](const at::Tensor& noisy, const at::Tensor& t) {
    return network->predict(noisy, t, context);
  });
  EXPECT_NEAR(found(toy::shared_toy_model(), "lidm", 1), loss, 1e-5);
}

// As the first block is sampled: the first frame is the reference of all, and nobody knows how far
// the heart of a real video is in its cycle.
TEST_F(DenoisingLoss, TellsAnLvdmTheFirstFrameAndNoPhase) {
  toy::ToyModelOptions options;
  options.heart_cycle = true;
  options.noise_correlation = 0.4;
  toy::write_toy_model(folder_.path() / "model", options);
  const models::ModelDirectory model = models::ModelDirectory::open(folder_.path() / "model");
  models::ClassEmbedding embedding = model.load_class_embedding("lvdm", at::kCPU);
  const at::Tensor context = embedding->forward(at::zeros({1}, at::kLong));
  models::UNetSpatioTemporalConditionModel network = model.load_lvdm(at::kCPU);
  const std::int64_t frames = options.block_length;
  const at::Tensor video = mean(frames).unsqueeze(0);
  const double loss = expected(model, video, [&](const at::Tensor& noisy, const at::Tensor& t) {
    const at::Tensor clean =
        models::pad_latents(video).latents * model.info().latent_scaling_factor;
    const at::Tensor phase = at::zeros({1, frames, 2, noisy.size(3), noisy.size(4)});
    const at::Tensor input = at::cat({noisy, clean.slice(1, 0, 1).expand_as(clean), phase}, 2);
    return network->forward(input, t, context, at::full({1, 1}, 32.0));
  });
  EXPECT_NEAR(found(folder_.path() / "model", "lvdm", frames), loss, 1e-5);
}

}  // namespace
}  // namespace echopath::evaluation
