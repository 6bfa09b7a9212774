#pragma once

#include <torch/torch.h>

#include <vector>

namespace echopath::nn {

/// `result` itself; the backward pass gives every one of `parameters` a gradient of zeros. For
/// parameters that `result` does not depend on although the definition names them: who averages
/// gradients over processes waits for one of each parameter, and AdamW decays those that have one.
torch::Tensor with_zero_gradients(const torch::Tensor& result,
                                  const std::vector<torch::Tensor>& parameters);

}  // namespace echopath::nn
