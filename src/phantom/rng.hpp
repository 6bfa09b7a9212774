#pragma once

#include <cmath>
#include <cstdint>

namespace echopath::phantom {

/// xoshiro256** (Blackman and Vigna, 2018) seeded through splitmix64: small, fast, and the same on
/// every machine, which the standard library's distributions are not.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) {
    for (auto& word : state_) word = splitmix(seed);
  }

  /// A seed for item `index` of stream `stream` under `seed`.
  static std::uint64_t derive(std::uint64_t seed, std::uint64_t stream, std::uint64_t index = 0) {
    std::uint64_t s = seed ^ (stream * 0x9E3779B97F4A7C15ULL);
    const std::uint64_t first = splitmix(s);
    s = first ^ (index * 0xD1B54A32D192ED03ULL);
    return splitmix(s);
  }

  std::uint64_t next() {
    const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Standard normal (Box–Muller, one of the pair).
  double normal() {
    const double u = 1.0 - uniform();
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * uniform());
  }
  /// Normal, cut off at two standard deviations.
  double normal(double mean, double deviation) {
    double z = normal();
    if (z > 2.0) z = 2.0;
    if (z < -2.0) z = -2.0;
    return mean + deviation * z;
  }

 private:
  static std::uint64_t rotate(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
  static std::uint64_t splitmix(std::uint64_t& state) {
    std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }

  std::uint64_t state_[4];
};

}  // namespace echopath::phantom
