#pragma once

#include <cstdint>
#include <vector>

namespace echopath::data {

/// The order in which a run draws its items: epoch after epoch, each a permutation keyed by (seed,
/// epoch). Batch k takes positions kB … kB+B−1 of that endless list, so the position in the data is
/// the step number alone, and the order depends on nothing else. Not to be shared by threads: it
/// keeps the permutation of the epoch that was asked for last.
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
  std::int64_t global_batch() const { return global_batch_; }

 private:
  struct Group {
    std::vector<std::int64_t> items;
    mutable std::int64_t epoch = -1;  ///< of the permutation held
    mutable std::vector<std::int64_t> order;
  };
  std::int64_t item_at(const Group& group, std::size_t group_index, std::int64_t position) const;

  std::vector<Group> groups_;
  std::int64_t global_batch_;
  std::uint64_t seed_;
};

}  // namespace echopath::data
