#include "training/perceptual_loss.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/models/model_directory.hpp"
#include "training/precision.hpp"

namespace echopath::training {
namespace {

models::Classifier load(const std::string& model_directory, const std::string& component,
                        at::Device device) {
  try {
    return models::ModelDirectory::open(model_directory).load_classifier(component, device);
  } catch (const DataError& error) {
    throw DataError(std::string("loss.perceptual_model: ") + error.what());
  }
}

}  // namespace

PerceptualLoss::PerceptualLoss(const std::string& model_directory, const std::string& component,
                               at::Device device)
    : classifier_(load(model_directory, component, device)) {
  if (classifier_.image() == nullptr) {
    throw ConfigError("loss.perceptual_component: '" + component + "' in '" + model_directory +
                      "' is of architecture " + classifier_.config().architecture +
                      ", but the perceptual term compares single frames; it can be a classifier of "
                      "architecture resnet50, of any width and depth");
  }
  for (const at::Tensor& parameter : (*classifier_).parameters()) {
    parameter.requires_grad_(false);
  }
}

std::vector<at::Tensor> PerceptualLoss::feature_maps(const at::Tensor& images) const {
  const at::Tensor grey =
      (images.to(precision_of(*classifier_)).mean(1, /*keepdim=*/true) + 1.0) * 127.5;
  return models::ResNet(*classifier_.image())->feature_maps(classifier_.normalise(grey));
}

at::Tensor PerceptualLoss::operator()(const at::Tensor& x, const at::Tensor& y) const {
  const std::vector<at::Tensor> ours = feature_maps(x), theirs = feature_maps(y);
  std::vector<at::Tensor> distances;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const auto unit = [](const at::Tensor& computed) {
      constexpr double kSmallest = 1e-10;
      const at::Tensor map = for_loss(computed);
      return map / (map.square().sum(1, true) + kSmallest).sqrt();
    };
    distances.push_back((unit(ours[i]) - unit(theirs[i])).square().sum(1).mean());
  }
  return at::stack(distances).mean();
}

}  // namespace echopath::training
