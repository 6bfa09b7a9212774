#pragma once

#include <torch/torch.h>

namespace echopath::nn {

/// GEGLU (Shazeer, 2020): x [..., 2·D] → x[..., :D] · GELU(x[..., D:]), with the exact GELU.
/// Differentiable once.
torch::Tensor geglu(const torch::Tensor& x);

}  // namespace echopath::nn
