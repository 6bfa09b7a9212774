#include <numeric>
#include <random>
#include <utility>

#include "echopath/evaluation/distribution_metrics.hpp"

namespace echopath::evaluation {

struct NumpyRandom::State {
  std::mt19937 engine;

  /// A number from 0 to `last`: words are masked to its bits until one is not above it.
  std::uint32_t draw(std::uint32_t last) {
    std::uint32_t mask = last;
    for (int shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
    std::uint32_t value = 0;
    do {
      value = static_cast<std::uint32_t>(engine()) & mask;
    } while (value > last);
    return value;
  }
};

NumpyRandom::NumpyRandom(std::uint32_t seed) : state_(new State{std::mt19937(seed)}) {}

NumpyRandom::~NumpyRandom() = default;

std::vector<std::int64_t> NumpyRandom::permutation(std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i-- > 1;) {
    std::swap(order[i], order[state_->draw(static_cast<std::uint32_t>(i))]);
  }
  return order;
}

}  // namespace echopath::evaluation
