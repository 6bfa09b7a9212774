#pragma once

#include <torch/torch.h>

#include "echopath/nn/layers.hpp"

namespace echopath::nn {

/// A Conv2d whose last input channels stay the same over many passes. A convolution is a sum over
/// its input channels, so their share of it, and the bias, is computed here once.
class Conv2dOfKnownChannels {
 public:
  /// known [N, K, H, W]: the last K of the convolution's input channels. Holds while the weights
  /// stay as they are, and without gradients.
  Conv2dOfKnownChannels(const Conv2d& convolution, const torch::Tensor& known);
  /// The convolution of x [N, in_channels − K, H, W] and the known channels, up to rounding.
  torch::Tensor forward(const torch::Tensor& x) const;

 private:
  Conv2dOptions options_;
  torch::Tensor weight_;  ///< of the other channels
  torch::Tensor share_;   ///< what the known channels and the bias add
};

}  // namespace echopath::nn
