#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>

#include "echopath/models/classifier.hpp"

namespace echopath::training {

/// Distance of images in the features of a frozen classifier of single frames, one of our own: the
/// maps of its stem and four stages, each position's features scaled to length 1, squared
/// differences summed over channels and averaged over positions, images and maps (LPIPS of Zhang et
/// al., 2018, without its learned weights).
class PerceptualLoss {
 public:
  /// Throws DataError where the model directory has no such classifier, ConfigError where it looks
  /// at whole clips or is a segmentation network.
  PerceptualLoss(const std::string& model_directory, const std::string& component,
                 at::Device device);

  /// x and y [B, C, H, W] in [−1, 1], channels alike; a scalar from 0 (equal) to 4. Gradients go to
  /// both.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& y) const;

 private:
  std::vector<at::Tensor> feature_maps(const at::Tensor& images) const;

  models::Classifier classifier_;
};

}  // namespace echopath::training
