#pragma once

#include <bit>
#include <cstdint>

/// Plain loops compiled for several instruction sets, and the elementary functions that let them
/// vectorise.
namespace echopath::nn {

#if defined(__x86_64__)
/// The same body, compiled for wider vectors. `body` must be an always_inline callable.
template <class Body>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]] void run_avx512(const Body& body) {
  body();
}
template <class Body>
[[gnu::target("avx2,fma")]] void run_avx2(const Body& body) {
  body();
}
#endif

/// Runs `body` compiled for the widest vectors that this processor has.
template <class Body>
void run_vectorised(const Body& body) {
#if defined(__x86_64__)
  static const bool has_avx512 =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  static const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx512) return run_avx512(body);
  if (has_avx2) return run_avx2(body);
#endif
  body();
}

#define ECHOPATH_INLINE [[gnu::always_inline]] inline

/// bfloat16 as its bits.
struct BFloat16Bits {
  std::uint16_t bits;
};

ECHOPATH_INLINE float load(float value) {
  return value;
}
ECHOPATH_INLINE float load(BFloat16Bits value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

ECHOPATH_INLINE void store(float& target, float value) {
  target = value;
}
/// Rounds to the nearest, ties to even.
ECHOPATH_INLINE void store(BFloat16Bits& target, float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16;
  target.bits = static_cast<std::uint16_t>(value != value ? 0x7FC0U : rounded);
}

/// eˣ to about one unit in the last place (Cephes' expf polynomial); arguments are clamped to
/// [−87, 88].
ECHOPATH_INLINE float exp_vectorised(float x) {
  x = x > 88.0F ? 88.0F : x;
  x = x < -87.0F ? -87.0F : x;
  constexpr float kRound = 12582912.0F;  // 1.5·2²³: adding it rounds to an integer
  const float shifted = x * 1.44269504F + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const std::uint32_t exponent = (std::bit_cast<std::uint32_t>(shifted) + 127U) << 23;
  return p * std::bit_cast<float>(exponent);
}

ECHOPATH_INLINE float sigmoid_vectorised(float x) {
  return 1.0F / (1.0F + exp_vectorised(-x));
}

/// The standard normal distribution function Φ(x), relative error below 3e-7: a Chebyshev fit of
/// erfc (Press et al., Numerical Recipes, erfcc).
ECHOPATH_INLINE float normal_cdf_vectorised(float x) {
  const float y = x * 0.70710678F;
  const float z = y < 0.0F ? -y : y;
  const float t = 1.0F / (1.0F + 0.5F * z);
  float p = 0.17087277F;
  p = p * t - 0.82215223F;
  p = p * t + 1.48851587F;
  p = p * t - 1.13520398F;
  p = p * t + 0.27886807F;
  p = p * t - 0.18628806F;
  p = p * t + 0.09678418F;
  p = p * t + 0.37409196F;
  p = p * t + 1.00002368F;
  p = p * t - 1.26551223F;
  const float half_erfc = 0.5F * t * exp_vectorised(p - z * z);
  return y < 0.0F ? half_erfc : 1.0F - half_erfc;
}

}  // namespace echopath::nn
