#pragma once

#include <torch/torch.h>

#include <array>
#include <cstdint>

namespace echopath::nn {

/// Whether a convolution of stride 1 is faster as a product of matrices than through oneDNN: on the
/// CPU in float32, of maps of few positions (for a kernel [h, 1] over time: of few in each frame),
/// where oneDNN spends its time on rearranging the kernel, forward and again for each gradient.
/// For `x` and `weight` as matrix_convolution() takes them.
bool pays_as_matrix_product(const torch::Tensor& x, const torch::Tensor& weight);

/// The convolution of stride 1 of x [N, C, H, W] with weight [O, C, h, w] and bias [O], zeros
/// around x: every position's patch is a row [h·w·C], multiplied by the kernel [h·w·C, O]. The
/// result [N, O, H + 2·padding − h + 1, …] and the gradients are channels-last in memory. Rows are
/// gathered again for the backward pass, so that it keeps only x.
torch::Tensor matrix_convolution(const torch::Tensor& x, const torch::Tensor& weight,
                                 const torch::Tensor& bias, std::array<std::int64_t, 2> padding);

}  // namespace echopath::nn
