#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace echopath::data {

/// The order in which a run draws its items: epoch after epoch, each a permutation keyed by (seed,
/// epoch). Batch k takes positions kB … kB+B−1 of that endless list, so the position in the data is
/// the step number alone, and the order depends on nothing else. Threads may share it.
class BatchOrder {
 public:
  /// Plain permutations of 0 … items−1. Throws DataError where `items` is zero.
  BatchOrder(std::int64_t items, std::int64_t global_batch, std::uint64_t seed);
  /// Balanced: `classes[i]` is the class of item i; classes take turns, each walking through its
  /// own permutations, so that every class is drawn equally often.
  BatchOrder(const std::vector<std::int64_t>& classes, std::int64_t global_batch,
             std::uint64_t seed);

  /// Item indices of batch `step`, length `global_batch`.
  std::vector<std::int64_t> batch(std::int64_t step) const;
  /// The items at some positions of batch `step`.
  std::vector<std::int64_t> items(std::int64_t step,
                                  const std::vector<std::int64_t>& positions) const;
  std::int64_t global_batch() const { return global_batch_; }

 private:
  /// The permutations of the epochs asked for last, shared by copies.
  struct Recent;
  using Permutation = std::shared_ptr<const std::vector<std::int64_t>>;
  Permutation order_of(std::size_t group, std::int64_t epoch) const;

  std::vector<std::vector<std::int64_t>> groups_;  ///< the items of each
  std::int64_t global_batch_;
  std::uint64_t seed_;
  std::shared_ptr<Recent> recent_;
};

}  // namespace echopath::data
