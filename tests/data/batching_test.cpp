#include "echopath/data/batching.hpp"

#include <algorithm>
#include <numeric>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"

namespace echopath::data {
namespace {

using Items = std::vector<std::int64_t>;

/// The first `batches` batches one after another.
Items drawn(const BatchOrder& order, std::int64_t batches) {
  Items items;
  for (std::int64_t step = 0; step < batches; ++step) {
    const Items batch = order.batch(step);
    items.insert(items.end(), batch.begin(), batch.end());
  }
  return items;
}

TEST(BatchOrder, EpochsAreThePermutationsOfTheirKeys) {
  const BatchOrder order(10, 4, 7);
  const Items items = drawn(order, 10);
  for (std::uint32_t epoch = 0; epoch < 4; ++epoch) {
    const auto begin = items.begin() + 10 * static_cast<std::ptrdiff_t>(epoch);
    EXPECT_EQ(Items(begin, begin + 10), permutation({7, Stream::kShuffle, epoch, 0}, 10)) << epoch;
  }
}

TEST(BatchOrder, EveryEpochHasEveryItemOnceInAnotherOrder) {
  const BatchOrder order(23, 23, 1);
  Items all(23);
  std::iota(all.begin(), all.end(), 0);
  Items before;
  for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
    Items batch = order.batch(epoch);
    EXPECT_NE(batch, before);
    before = batch;
    std::sort(batch.begin(), batch.end());
    EXPECT_EQ(batch, all);
  }
}

TEST(BatchOrder, ABatchDependsOnItsStepAlone) {
  const BatchOrder straight(10, 4, 7), jumping(10, 4, 7);
  const Items at_nine = jumping.batch(9);
  const Items at_two = jumping.batch(2);
  for (std::int64_t step = 0; step < 2; ++step) straight.batch(step);
  EXPECT_EQ(straight.batch(2), at_two);
  EXPECT_EQ(straight.batch(9), at_nine);
}

TEST(BatchOrder, TheBatchSizeOnlyCutsTheOrder) {
  EXPECT_EQ(drawn(BatchOrder(10, 4, 7), 15), drawn(BatchOrder(10, 12, 7), 5));
}

TEST(BatchOrder, SeedsDiffer) {
  EXPECT_NE(BatchOrder(50, 50, 1).batch(0), BatchOrder(50, 50, 2).batch(0));
}

TEST(BatchOrder, ABatchMayHoldMoreThanAllItems) {
  Items batch = BatchOrder(3, 7, 0).batch(0);
  std::sort(batch.begin(), batch.end());
  EXPECT_EQ(batch.size(), 7U);
  for (const std::int64_t item : {0, 1, 2}) {
    EXPECT_GE(std::count(batch.begin(), batch.end(), item), 2);
  }
}

TEST(BatchOrder, NothingToDrawIsAnError) {
  expect_error<DataError>([] { BatchOrder(0, 4, 1); }, "empty");
  expect_error<DataError>([] { BatchOrder(Items{}, 4, 1); }, "empty");
}

TEST(BalancedBatchOrder, ClassesTakeTurns) {
  const Items classes = {2, 0, 0, 0, 0, 0, 2, 0, 1, 0};
  const Items items = drawn(BatchOrder(classes, 6, 3), 10);
  for (std::size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(classes[static_cast<std::size_t>(items[i])], static_cast<std::int64_t>(i % 3)) << i;
  }
}

TEST(BalancedBatchOrder, EachClassIsWalkedThroughBeforeItRepeats) {
  const Items classes = {0, 1, 0, 1, 0, 1, 1};
  const Items items = drawn(BatchOrder(classes, 2, 3), 12);
  Items zeros, ones;
  for (std::size_t i = 0; i < items.size(); ++i) (i % 2 == 0 ? zeros : ones).push_back(items[i]);
  for (std::ptrdiff_t epoch = 0; epoch < 4; ++epoch) {
    Items cycle(zeros.begin() + 3 * epoch, zeros.begin() + 3 * epoch + 3);
    std::sort(cycle.begin(), cycle.end());
    EXPECT_EQ(cycle, (Items{0, 2, 4}));
  }
  for (std::ptrdiff_t epoch = 0; epoch < 3; ++epoch) {
    Items cycle(ones.begin() + 4 * epoch, ones.begin() + 4 * epoch + 4);
    std::sort(cycle.begin(), cycle.end());
    EXPECT_EQ(cycle, (Items{1, 3, 5, 6}));
  }
}

}  // namespace
}  // namespace echopath::data
