#include "echopath/core/random.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace echopath {
namespace {

using Words = std::array<std::uint32_t, 4>;
using Key = std::array<std::uint32_t, 2>;

constexpr std::uint32_t kMultiplier0 = 0xD2511F53;
constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;
/// Marks the counters of derived_seed(); no Stream has this value.
constexpr std::uint32_t kSeedStream = 0xFFFFFFFF;
/// Counters handled together, so that the compiler can use vector instructions.
constexpr int kLanes = 16;

Key key_words(std::uint64_t seed) {
  return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
}

Words counter_words(const NoiseKey& key, std::uint32_t index) {
  return {index, key.a, key.b, static_cast<std::uint32_t>(key.stream)};
}

std::uint64_t word64(const NoiseKey& key, std::uint32_t index) {
  const Words words = philox(counter_words(key, index), key_words(key.seed));
  return words[0] | (static_cast<std::uint64_t>(words[1]) << 32);
}

/// floor(word · n / 2^64): uniform but for a bias of at most n / 2^64.
std::int64_t scale_to(std::uint64_t word, std::int64_t n) {
  return static_cast<std::int64_t>(
      (static_cast<unsigned __int128>(word) * static_cast<std::uint64_t>(n)) >> 64);
}

struct LaneWords {
  std::uint32_t word[4][kLanes];
};

/// philox() of kLanes counters that follow each other in their first word.
void philox_lanes(const Words& counter, Key key, LaneWords& out) {
  for (int lane = 0; lane < kLanes; ++lane) {
    out.word[0][lane] = counter[0] + static_cast<std::uint32_t>(lane);
    out.word[1][lane] = counter[1];
    out.word[2][lane] = counter[2];
    out.word[3][lane] = counter[3];
  }
  for (int round = 0; round < kRounds; ++round) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const std::uint64_t product0 = std::uint64_t{kMultiplier0} * out.word[0][lane];
      const std::uint64_t product1 = std::uint64_t{kMultiplier1} * out.word[2][lane];
      out.word[0][lane] = static_cast<std::uint32_t>(product1 >> 32) ^ out.word[1][lane] ^ key[0];
      out.word[1][lane] = static_cast<std::uint32_t>(product1);
      out.word[2][lane] = static_cast<std::uint32_t>(product0 >> 32) ^ out.word[3][lane] ^ key[1];
      out.word[3][lane] = static_cast<std::uint32_t>(product0);
    }
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
}

/// Natural logarithm of a positive normal float (polynomial of the Cephes library's logf, error
/// below 1e-7 relative). Written out so that results do not depend on the math library.
inline float log_portable(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  // The mantissa in [sqrt(1/2), sqrt(2)) and the exponent that goes with it.
  const std::uint32_t shifted = bits - 0x3F3504F3;
  const auto exponent = static_cast<float>(static_cast<std::int32_t>(shifted) >> 23);
  const float m = std::bit_cast<float>((shifted & 0x007FFFFF) + 0x3F3504F3) - 1.0F;
  const float z = m * m;
  float p = 7.0376836292e-2F;
  p = p * m - 1.1514610310e-1F;
  p = p * m + 1.1676998740e-1F;
  p = p * m - 1.2420140846e-1F;
  p = p * m + 1.4249322787e-1F;
  p = p * m - 1.6668057665e-1F;
  p = p * m + 2.0000714765e-1F;
  p = p * m - 2.4999993993e-1F;
  p = p * m + 3.3333331174e-1F;
  const float tail = p * m * z - 2.12194440e-4F * exponent - 0.5F * z;
  return m + tail + 0.693359375F * exponent;
}

/// Cosine and sine of 2π · word / 2^32 (polynomials of the Cephes library's sinf and cosf on
/// [-π/4, π/4]; the quadrant comes from the word's bits, so that nothing is lost in reduction).
inline void turn(std::uint32_t word, float& cosine, float& sine) {
  const std::uint32_t rounded = word + 0x20000000;
  const std::uint32_t quadrant = rounded >> 30;
  const auto rest =
      static_cast<std::int32_t>(rounded & 0x3FFFFFFF) - static_cast<std::int32_t>(0x20000000);
  const float x = static_cast<float>(rest) * 1.4629180792671596e-9F;  // 2π / 2^32
  const float z = x * x;
  const float s = x + x * z * (-1.6666654611e-1F + z * (8.3321608736e-3F + z * -1.9515295891e-4F));
  const float c =
      1.0F - 0.5F * z +
      z * z * (4.166664568298827e-2F + z * (-1.388731625493765e-3F + z * 2.443315711809948e-5F));
  const bool swap = (quadrant & 1) != 0;
  const float magnitude_c = swap ? s : c;
  const float magnitude_s = swap ? c : s;
  cosine = ((quadrant + 1) & 2) != 0 ? -magnitude_c : magnitude_c;
  sine = (quadrant & 2) != 0 ? -magnitude_s : magnitude_s;
}

/// Squared radius of a Box–Muller pair (Box and Muller, 1958) from 31 bits: at most 6.66^2.
inline float squared_radius(std::uint32_t word) {
  const float u = (static_cast<float>(static_cast<std::int32_t>(word >> 1)) + 0.5F) *
                  4.656612873077393e-10F;  // 2^-31
  const float squared = -2.0F * log_portable(u);
  return squared > 0.0F ? squared : 0.0F;
}

/// Four normal numbers for each lane. The square roots have a loop of their own, because std::sqrt
/// may set errno and would keep the others from being vectorised.
void normals_of_lanes(const LaneWords& words, float* out) {
  float radius[2][kLanes];
  float cosine[2][kLanes];
  float sine[2][kLanes];
  for (int pair = 0; pair < 2; ++pair) {
    for (int lane = 0; lane < kLanes; ++lane) {
      radius[pair][lane] = squared_radius(words.word[2 * pair][lane]);
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      turn(words.word[2 * pair + 1][lane], cosine[pair][lane], sine[pair][lane]);
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      radius[pair][lane] = std::sqrt(radius[pair][lane]);
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int pair = 0; pair < 2; ++pair) {
      out[4 * lane + 2 * pair] = radius[pair][lane] * cosine[pair][lane];
      out[4 * lane + 2 * pair + 1] = radius[pair][lane] * sine[pair][lane];
    }
  }
}

}  // namespace

std::array<std::uint32_t, 4> philox(const std::array<std::uint32_t, 4>& counter,
                                    const std::array<std::uint32_t, 2>& key) {
  Words x = counter;
  Key k = key;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * x[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * x[2];
    x = {static_cast<std::uint32_t>(product1 >> 32) ^ x[1] ^ k[0],
         static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ x[3] ^ k[1],
         static_cast<std::uint32_t>(product0)};
    k[0] += kWeyl0;
    k[1] += kWeyl1;
  }
  return x;
}

at::Tensor normal_tensor(at::IntArrayRef sizes, const NoiseKey& key) {
  at::Tensor result = at::empty(sizes, at::TensorOptions().dtype(at::kFloat).device(at::kCPU));
  const std::int64_t count = result.numel();
  TORCH_CHECK(count <= std::int64_t{1} << 34, "normal_tensor draws at most 2^34 numbers");
  float* out = result.data_ptr<float>();
  constexpr std::int64_t kChunk = 4 * kLanes;
  LaneWords words;
  std::array<float, kChunk> last{};
  for (std::int64_t begin = 0; begin < count; begin += kChunk) {
    philox_lanes(counter_words(key, static_cast<std::uint32_t>(begin / 4)), key_words(key.seed),
                 words);
    if (begin + kChunk <= count) {
      normals_of_lanes(words, out + begin);
    } else {
      normals_of_lanes(words, last.data());
      std::copy_n(last.begin(), count - begin, out + begin);
    }
  }
  return result;
}

double uniform_number(const NoiseKey& key, std::uint32_t index) {
  return static_cast<double>(word64(key, index) >> 11) * 0x1.0p-53;
}

std::int64_t uniform_integer(const NoiseKey& key, std::int64_t n, std::uint32_t index) {
  TORCH_CHECK(n >= 1, "uniform_integer needs n >= 1, not ", n);
  return scale_to(word64(key, index), n);
}

std::vector<std::int64_t> permutation(const NoiseKey& key, std::int64_t n) {
  TORCH_CHECK(n >= 0 && n <= std::int64_t{1} << 32, "permutation needs 0 <= n <= 2^32, not ", n);
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::int64_t i = n - 1; i > 0; --i) {
    const std::int64_t j = scale_to(word64(key, static_cast<std::uint32_t>(i)), i + 1);
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(j)]);
  }
  return order;
}

std::uint64_t derived_seed(std::uint64_t seed, std::uint64_t index) {
  const Words words = philox(
      {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), 0, kSeedStream},
      key_words(seed));
  return words[0] | (static_cast<std::uint64_t>(words[1]) << 32);
}

}  // namespace echopath
