#pragma once

#include <torch/torch.h>

#include <vector>

#include "echopath/nn/initialisation.hpp"

namespace echopath::models {

/// Layers of torch's for the ResNets. Theirs draw weights as they are made; under
/// nn::UninitialisedScope a tiny one is made, and gets weights of the wanted size as the memory
/// came.

/// A convolution without bias, with torchvision's initial weights: Conv2d of Conv2dOptions, say.
template <class Conv, class Options>
Conv make_convolution(const Options& options) {
  if (!nn::UninitialisedScope::active()) {
    Conv layer(options);
    torch::nn::init::kaiming_normal_(layer->weight, 0.0, torch::kFanOut, torch::kReLU);
    return layer;
  }
  Options tiny = options;
  Conv layer(tiny.in_channels(1).out_channels(1));
  layer->options.in_channels(options.in_channels()).out_channels(options.out_channels());
  std::vector<std::int64_t> shape = layer->weight.sizes().vec();
  shape[0] = options.out_channels();
  shape[1] = options.in_channels();
  layer->weight.set_data(torch::empty(shape));
  return layer;
}

inline torch::nn::Linear make_linear(std::int64_t in_features, std::int64_t out_features) {
  if (!nn::UninitialisedScope::active()) return torch::nn::Linear(in_features, out_features);
  torch::nn::Linear layer(1, 1);
  layer->options.in_features(in_features).out_features(out_features);
  layer->weight.set_data(torch::empty({out_features, in_features}));
  layer->bias.set_data(torch::empty({out_features}));
  return layer;
}

}  // namespace echopath::models
