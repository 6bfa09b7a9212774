#include "training/batch_loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "echopath/core/errors.hpp"
#include "training/toy_recipe.hpp"

namespace echopath::training {
namespace {

using ::testing::ElementsAre;

/// The two forward passes of a step of four items.
std::vector<MicroBatch> two_passes(std::int64_t step) {
  return {{step, {0, 1}}, {step, {2, 3}}};
}

/// Loads slowly, the first pass of a step slower than the second.
class SlowRecipe : public ToyRecipe {
 public:
  Batch load(const MicroBatch& batch) const override {
    std::this_thread::sleep_for(std::chrono::milliseconds(batch.positions.front() == 0 ? 4 : 1));
    if (batch.step == broken) throw DataError("'b.avi' cannot be decoded");
    furthest = std::max(furthest.load(), batch.step);
    return ToyRecipe::load(batch);
  }
  std::int64_t broken = -1;
  mutable std::atomic<std::int64_t> furthest{-1};
};

TEST(BatchLoader, GivesTheSameInTheSameOrderForAnyNumberOfWorkers) {
  const SlowRecipe recipe;
  for (const std::int64_t workers : {0, 1, 3}) {
    BatchLoader loader(recipe, two_passes, 5, 11, workers, 2);
    for (std::int64_t step = 5; step < 11; ++step) {
      const std::vector<Batch> batches = loader.next();
      ASSERT_EQ(batches.size(), 2U);
      for (std::size_t pass = 0; pass < 2; ++pass) {
        const MicroBatch expected = two_passes(step)[pass];
        EXPECT_EQ(batches[pass].at.step, step);
        EXPECT_EQ(batches[pass].at.positions, expected.positions);
        EXPECT_TRUE(at::equal(batches[pass].tensors.at("x"),
                              recipe.ToyRecipe::load(expected).tensors.at("x")));
      }
    }
  }
}

TEST(BatchLoader, ReadsAheadAsFarAsItMay) {
  const SlowRecipe recipe;
  BatchLoader loader(recipe, two_passes, 0, 100, 2, 3);
  loader.next();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(recipe.furthest, 3);  // 1, 2 and 3 are held ready
}

TEST(BatchLoader, DoesNotReadBehindTheEnd) {
  const SlowRecipe recipe;
  BatchLoader loader(recipe, two_passes, 0, 2, 2, 5);
  loader.next();
  loader.next();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(recipe.furthest, 1);
}

TEST(BatchLoader, ThrowsWhatCouldNotBeReadAtItsStepAndNotBefore) {
  SlowRecipe recipe;
  recipe.broken = 2;
  for (const std::int64_t workers : {0, 2}) {
    BatchLoader loader(recipe, two_passes, 0, 10, workers, 4);
    EXPECT_EQ(loader.next().size(), 2U);
    EXPECT_EQ(loader.next().size(), 2U);
    EXPECT_THROW(loader.next(), DataError) << workers;
  }
}

TEST(BatchLoader, StopsWhileItIsAtWork) {
  const SlowRecipe recipe;
  const auto start = std::chrono::steady_clock::now();
  { BatchLoader loader(recipe, two_passes, 0, 1'000'000, 2, 1'000'000); }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace echopath::training
