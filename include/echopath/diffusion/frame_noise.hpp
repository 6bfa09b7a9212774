#pragma once

#include <ATen/ATen.h>

#include "echopath/core/random.hpp"

namespace echopath::diffusion {

/// Standard normal noise `[B, T, …]` for the T frames of clips, float32 on the CPU: of its variance
/// the part `correlation`, 0 to 1, is the same in all frames of a clip (the mixed noise of Ge et
/// al., "Preserve Your Own Correlation", 2023, whose α²/(1 + α²) it is). √ρ times a draw `[B, 1,
/// …]` of `shared` plus √(1 − ρ) times one of `own`; with ρ = 0 it is normal_tensor(sizes, own) to
/// the bit.
at::Tensor frame_noise(at::IntArrayRef sizes, double correlation, const NoiseKey& own,
                       const NoiseKey& shared);

}  // namespace echopath::diffusion
