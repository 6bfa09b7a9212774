#include "training/perceptual_loss.hpp"

#include <gmock/gmock.h>

#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/models/model_directory.hpp"
#include "training/loss_of.hpp"
#include "training/made_videos.hpp"
#include "training/vae_recipe.hpp"
#include "training/validate.hpp"

namespace echopath::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class PerceptualLossTest : public MadeVideos {
 protected:
  void SetUp() override {
    MadeVideos::SetUp();
    torch::manual_seed(7);
  }
  /// Writes an untrained classifier.
  models::Classifier save(const std::string& component, const std::string& architecture) const {
    models::ClassifierConfig config;
    config.architecture = architecture;
    config.classes = {"A", "B"};
    config.clip.mean = {0.3};
    config.clip.deviation = {0.2};
    config.image = {1, 4, {1, 1, 1, 1}, "basic"};
    config.video = {1, 4, {1, 1, 1, 1}};
    const models::Classifier classifier(config);
    models::save_component(
        model(), {component, "Classifier", config::dump(config::visit_of(config))}, *classifier);
    models::update_model_info(model(), [](models::ModelInfo&) {});
    classifier.module()->eval();
    return classifier;
  }
  fs::path model() const { return folder_ / "model"; }
  std::string refusal(const std::string& component) const {
    try {
      PerceptualLoss(model().string(), component, at::kCPU);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
};

/// Grey images [B, 3, H, W] in [−1, 1], channels alike.
at::Tensor some_images() {
  return (at::rand({2, 1, 64, 64}) * 2.0 - 1.0).expand({-1, 3, -1, -1});
}

TEST_F(PerceptualLossTest, IsTheMeanSquareOfUnitFeaturesOverFiveMaps) {
  const models::Classifier classifier = save("judge", "resnet50");
  const PerceptualLoss loss(model().string(), "judge", at::kCPU);
  const at::Tensor x = some_images(), y = some_images();
  const auto maps = [&](const at::Tensor& images) {
    const at::Tensor grey = images.slice(1, 0, 1) * 0.5 + 0.5;  // in [0, 1]
    return models::ResNet(*classifier.image())->feature_maps((grey - 0.3) / 0.2);
  };
  const auto ours = maps(x), theirs = maps(y);
  double expected = 0.0;
  for (std::size_t i = 0; i < 5; ++i) {
    const at::Tensor cosine = at::cosine_similarity(ours[i], theirs[i], 1);
    // |a − b|² of unit vectors; a position without any feature has length 0, not 1.
    const at::Tensor a = ours[i].norm(2, {1}) > 0, b = theirs[i].norm(2, {1}) > 0;
    expected += (a.to(at::kFloat) + b.to(at::kFloat) - 2.0 * cosine).mean().item<double>() / 5.0;
  }
  EXPECT_NEAR(loss(x, y).item<double>(), expected, 1e-4);
  EXPECT_GT(expected, 0.01);
  EXPECT_EQ(loss(x, x).item<double>(), 0.0);
}

TEST_F(PerceptualLossTest, TeachesTheImageAndNotTheClassifier) {
  save("judge", "resnet50");
  const PerceptualLoss loss(model().string(), "judge", at::kCPU);
  const at::Tensor y = some_images().contiguous().requires_grad_();
  loss(some_images(), y).backward();
  EXPECT_GT(y.grad().norm().item<double>(), 0.0);
}

TEST_F(PerceptualLossTest, OtherKindsAreRefusedByName) {
  save("clips", "r3d_18");
  EXPECT_THAT(refusal("clips"),
              AllOf(HasSubstr("is of architecture r3d_18"), HasSubstr("architecture resnet50")));
  EXPECT_THAT(refusal("none"), AllOf(HasSubstr("loss.perceptual_model: "),
                                     HasSubstr("has no none/diffusion_pytorch_model")));
}

TEST_F(PerceptualLossTest, JoinsTheLossOfTheAutoencoder) {
  save("judge", "resnet50");
  for (int i = 0; i < 3; ++i) add("videos", "any", i < 2 ? "TRAIN" : "VAL", noise(i));
  list("videos");
  const auto loss_with = [&](std::vector<std::string> overrides, double& perceptual) {
    overrides.push_back("data.dataset=" + (folder_ / "videos").string());
    overrides.emplace_back("training.batch_size=2");
    torch::manual_seed(1);
    const auto options = toy_options<VaeOptions>("vae", overrides);
    validate(options);
    VaeRecipe recipe(options, at::kCPU);
    EXPECT_EQ(recipe.modules(0).size(), 1U) << "the judge is not trained";
    Figures figures;
    const double loss = loss_of(recipe, 0, {0, {0, 1}}, figures).item<double>();
    for (const auto& [name, value] : figures) {
      if (name == "perceptual") perceptual = value;
    }
    return loss;
  };
  double perceptual = std::nan("");
  const double without = loss_with({}, perceptual);
  EXPECT_TRUE(std::isnan(perceptual));
  const double with = loss_with({"loss.perceptual_weight=0.5", "loss.perceptual_component=judge",
                                 "loss.perceptual_model=" + model().string()},
                                perceptual);
  EXPECT_GT(perceptual, 0.0);
  EXPECT_NEAR(with, without + 0.5 * perceptual, 1e-5);
  EXPECT_THROW(loss_with({"loss.perceptual_weight=0.5"}, perceptual), ConfigError);
}

}  // namespace
}  // namespace echopath::training
