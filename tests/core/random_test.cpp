#include "echopath/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

namespace echopath {
namespace {

using Words = std::array<std::uint32_t, 4>;

NoiseKey key_of(std::uint64_t seed, Stream stream, std::uint32_t a = 0, std::uint32_t b = 0) {
  NoiseKey key;
  key.seed = seed;
  key.stream = stream;
  key.a = a;
  key.b = b;
  return key;
}

// The known-answer vectors that its authors publish with Random123.
TEST(Philox, GivesThePublishedKnownAnswers) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// Expected values: tests/fixtures/random/make.py, double precision.
TEST(NormalTensor, GivesBoxMullerOfThePhiloxWords) {
  const NoiseKey key = key_of(0x123456789ABCDEF0, Stream::kSolverNoise, 3, 4);
  const at::Tensor tensor = normal_tensor({2, 4, 3, 3}, key);
  ASSERT_EQ(tensor.sizes(), at::IntArrayRef({2, 4, 3, 3}));
  ASSERT_EQ(tensor.scalar_type(), at::kFloat);
  const float* values = tensor.data_ptr<float>();
  EXPECT_NEAR(values[0], -1.4354450653270985, 1e-6);
  EXPECT_NEAR(values[1], -0.61312650087135, 1e-6);
  EXPECT_NEAR(values[2], -0.3415873866561354, 1e-6);
  EXPECT_NEAR(values[3], -1.684986746174372, 1e-6);
  EXPECT_NEAR(values[68], 0.36788279336656904, 1e-6);
  EXPECT_NEAR(values[69], -0.15210745342074444, 1e-6);
  EXPECT_NEAR(values[70], -1.70823009065637, 1e-6);
  EXPECT_NEAR(values[71], 1.4750820445576835, 1e-6);
}

TEST(NormalTensor, PolynomialsAgreeWithTheMathLibrary) {
  const NoiseKey key = key_of(5, Stream::kTrainingNoise, 6, 7);
  const at::Tensor tensor = normal_tensor({40000}, key);
  double worst = 0.0;
  for (std::uint32_t i = 0; i < 10000; ++i) {
    const Words w = philox({i, 6, 7, 3}, {5, 0});
    for (int pair = 0; pair < 2; ++pair) {
      const double radius = std::sqrt(-2.0 * std::log(((w[2 * pair] >> 1) + 0.5) / 2147483648.0));
      const double angle = 2.0 * M_PI * w[2 * pair + 1] / 4294967296.0;
      const float* out = tensor.data_ptr<float>() + 4 * i + 2 * pair;
      worst = std::max({worst, std::abs(out[0] - radius * std::cos(angle)),
                        std::abs(out[1] - radius * std::sin(angle))});
    }
  }
  // A radius near 0 magnifies the rounding of u near 1: sqrt(2 · 2^-25) = 2.4e-4.
  EXPECT_LT(worst, 3e-4);
}

TEST(NormalTensor, HasTheMomentsOfANormalDistribution) {
  const at::Tensor x =
      normal_tensor({1000, 1000}, key_of(11, Stream::kInitialNoise)).to(at::kDouble);
  EXPECT_NEAR(x.mean().item<double>(), 0.0, 4e-3);  // 4 standard errors
  EXPECT_NEAR(x.pow(2).mean().item<double>(), 1.0, 6e-3);
  EXPECT_NEAR(x.pow(3).mean().item<double>(), 0.0, 1.6e-2);
  EXPECT_NEAR(x.pow(4).mean().item<double>(), 3.0, 4e-2);
  EXPECT_NEAR(x.abs().gt(1.959964).to(at::kDouble).mean().item<double>(), 0.05, 9e-4);
  EXPECT_LE(x.abs().max().item<double>(), 6.67);
  const at::Tensor flat = x.flatten();
  const std::int64_t n = flat.numel();
  for (const std::int64_t lag : {1, 2, 3, 64}) {
    const at::Tensor product = flat.narrow(0, 0, n - lag) * flat.narrow(0, lag, n - lag);
    EXPECT_NEAR(product.mean().item<double>(), 0.0, 4e-3) << lag;
  }
}

TEST(NormalTensor, ValueDependsOnKeyAndFlatIndexAlone) {
  const NoiseKey key = key_of(3, Stream::kInitialNoise, 1, 2);
  const at::Tensor large = normal_tensor({64, 4, 14, 14}, key);
  EXPECT_TRUE(at::equal(large, normal_tensor({64, 4, 14, 14}, key)));
  for (const std::int64_t count : {0, 1, 5, 63, 64, 65, 200}) {
    EXPECT_TRUE(at::equal(normal_tensor({count}, key), large.flatten().narrow(0, 0, count)));
  }
}

TEST(NormalTensor, AnyOtherKeyGivesIndependentNumbers) {
  const NoiseKey key = key_of(3, Stream::kInitialNoise, 1, 2);
  const at::Tensor x = normal_tensor({100000}, key);
  const NoiseKey others[] = {
      key_of(4, Stream::kInitialNoise, 1, 2), key_of(3 + (1ULL << 32), Stream::kInitialNoise, 1, 2),
      key_of(3, Stream::kSolverNoise, 1, 2),  key_of(3, Stream::kInitialNoise, 0, 2),
      key_of(3, Stream::kInitialNoise, 1, 3), key_of(3, Stream::kInitialNoise, 2, 1)};
  for (const NoiseKey& other : others) {
    const at::Tensor y = normal_tensor({100000}, other);
    EXPECT_EQ((x == y).sum().item<std::int64_t>(), 0);
    EXPECT_NEAR((x * y).mean().item<double>(), 0.0, 4.5 / std::sqrt(1e5));
  }
}

TEST(UniformNumber, GivesTheReferenceValueAndFillsTheUnitInterval) {
  const NoiseKey key = key_of(7, Stream::kTimestep, 5, 6);
  EXPECT_DOUBLE_EQ(uniform_number(key, 8), 0.17909586192522498);
  double sum = 0.0;
  double lowest = 1.0;
  double highest = 0.0;
  for (std::uint32_t i = 0; i < 100000; ++i) {
    const double u = uniform_number(key, i);
    sum += u;
    lowest = std::min(lowest, u);
    highest = std::max(highest, u);
  }
  EXPECT_NEAR(sum / 1e5, 0.5, 4 * 0.2887 / std::sqrt(1e5));
  EXPECT_GE(lowest, 0.0);
  EXPECT_LT(lowest, 1e-3);
  EXPECT_LT(highest, 1.0);
  EXPECT_GT(highest, 0.999);
}

TEST(UniformInteger, GivesTheReferenceValueAndEveryNumberEquallyOften) {
  const NoiseKey key = key_of(7, Stream::kTimestep, 5, 6);
  EXPECT_EQ(uniform_integer(key, 1000, 8), 179);
  EXPECT_EQ(uniform_integer(key, 1, 8), 0);
  std::array<int, 7> counts{};
  for (std::uint32_t i = 0; i < 70000; ++i) {
    ++counts.at(static_cast<std::size_t>(uniform_integer(key, 7, i)));
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, 10000, 400);  // 4.3 standard deviations
  }
  EXPECT_ANY_THROW(uniform_integer(key, 0));
}

TEST(Permutation, GivesTheReferenceOrder) {
  EXPECT_EQ(permutation(key_of(1, Stream::kShuffle, 2), 10),
            (std::vector<std::int64_t>{9, 3, 1, 7, 8, 2, 0, 5, 6, 4}));
  EXPECT_TRUE(permutation(key_of(1, Stream::kShuffle), 0).empty());
  EXPECT_EQ(permutation(key_of(1, Stream::kShuffle), 1), std::vector<std::int64_t>{0});
}

TEST(Permutation, HoldsEveryNumberOnceAndChangesWithTheKey) {
  const std::vector<std::int64_t> order = permutation(key_of(1, Stream::kShuffle, 1), 1000);
  EXPECT_EQ(order, permutation(key_of(1, Stream::kShuffle, 1), 1000));
  EXPECT_NE(order, permutation(key_of(1, Stream::kShuffle, 2), 1000));
  std::vector<std::int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::int64_t> all(1000);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(sorted, all);
}

TEST(Permutation, EveryOrderOfThreeIsEquallyLikely) {
  std::map<std::vector<std::int64_t>, int> counts;
  for (std::uint32_t a = 0; a < 12000; ++a) {
    ++counts[permutation(key_of(2, Stream::kShuffle, a), 3)];
  }
  ASSERT_EQ(counts.size(), 6U);
  for (const auto& [order, count] : counts) {
    EXPECT_NEAR(count, 2000, 180);  // 4.4 standard deviations
  }
}

TEST(DerivedSeed, GivesTheReferenceValueAndNoRepeats) {
  EXPECT_EQ(derived_seed(42, 9 + (1ULL << 32)), 17009945883088957748ULL);
  std::set<std::uint64_t> seeds;
  for (std::uint64_t index = 0; index < 1000; ++index) {
    seeds.insert(derived_seed(0, index));
    seeds.insert(derived_seed(1, index));
  }
  EXPECT_EQ(seeds.size(), 2000U);
}

}  // namespace
}  // namespace echopath
