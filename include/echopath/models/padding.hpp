#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "echopath/models/compatibility.hpp"

namespace echopath::models {

/// Latents whose last two dimensions fit the UNets, and how much was added on each side.
struct PaddedLatents {
  at::Tensor latents;
  std::int64_t left = 0;
  std::int64_t right = 0;
  std::int64_t top = 0;
  std::int64_t bottom = 0;
};

/// Replicates the border of the last two dimensions of x [..., H, W] up to the next multiple of
/// `multiple` (14 → 16 with one on each side); sizes that are multiples already stay, and an odd
/// difference puts the extra row or column at the bottom or right. With
/// `compatibility.pad_multiples_of_eight`, EchoNet-Synthetic's `padf`: (8 − W mod 8)/2, rounded
/// down, on all four sides.
PaddedLatents pad_latents(const at::Tensor& x, std::int64_t multiple = 8,
                          const Compatibility& compatibility = {});

/// Cuts the border off `x`, which has the padded size in its last two dimensions.
at::Tensor unpad_latents(const at::Tensor& x, const PaddedLatents& padding);

}  // namespace echopath::models
