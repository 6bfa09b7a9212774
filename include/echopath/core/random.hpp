#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <vector>

namespace echopath {

/// Philox-4x32-10 (Salmon et al., 2011): four random words for a counter under a key. Stateless, so
/// that a draw depends on nothing but what it is for.
std::array<std::uint32_t, 4> philox(const std::array<std::uint32_t, 4>& counter,
                                    const std::array<std::uint32_t, 2>& key);

/// What a random draw is for. Two different purposes never share a stream.
enum class Stream : std::uint32_t {
  kInitialNoise = 1,   ///< x_T of a sampler
  kSolverNoise = 2,    ///< the noise a stochastic solver adds
  kTrainingNoise = 3,  ///< epsilon of a training step
  kTimestep = 4,
  kConditionDrop = 5,
  kClipChoice = 6,
  kPosterior = 7,
  kShuffle = 8,
  kAugmentation = 9,
  kHeartFrame = 10,
  kDataset = 11,
  kPairs = 12,
  kNoiseOffset = 13,
  kReferencePosterior = 14,
  kReferenceNoise = 15,
  kSharedNoise = 16,  ///< the part of a clip's noise that its frames have in common
};

/// The place of a draw: a seed (a video's, or a training run's), the stream, and up to three
/// indices (block and step; training step and index in the global batch).
struct NoiseKey {
  std::uint64_t seed = 0;
  Stream stream = Stream::kInitialNoise;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
};

/// Standard normal tensor, contiguous float32 on the CPU, drawn by counter. Word quadruple i
/// (counter {i, a, b, stream}, key the seed) gives elements 4i…4i+3 as two Box–Muller pairs, whose
/// logarithm and sines are computed in float32 by fixed polynomials: an element's value depends on
/// its key and its flat index alone, not on the shape, and no math library takes part. |value|
/// ≤ 6.66.
at::Tensor normal_tensor(at::IntArrayRef sizes, const NoiseKey& key);

/// One uniform number in [0, 1).
double uniform_number(const NoiseKey& key, std::uint32_t index = 0);
/// One integer in [0, n), n ≥ 1.
std::int64_t uniform_integer(const NoiseKey& key, std::int64_t n, std::uint32_t index = 0);
/// A permutation of 0…n−1 (Fisher–Yates over Philox words). It uses the words of uniform_number()
/// at indices 1…n−1 of the same key.
std::vector<std::int64_t> permutation(const NoiseKey& key, std::int64_t n);
/// A seed for item `index` of a collection seeded with `seed`.
std::uint64_t derived_seed(std::uint64_t seed, std::uint64_t index);

}  // namespace echopath
