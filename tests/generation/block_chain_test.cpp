#include "echopath/generation/block_chain.hpp"

#include <gtest/gtest.h>

#include "toy_model.hpp"

namespace echopath::generation {
namespace {

/// Blocks of eight frames that repeat four.
class BlockChainTest : public ::testing::Test {
 protected:
  BlockChainTest() {
    testing::ToyModelOptions toy;
    toy.block_length = 8;
    toy.context_frames = 4;
    testing::write_toy_model(folder_ / "model", toy);
  }
  BlockChain chain(std::int64_t fade, BlockStart first) const {
    const BlockSampler blocks(models::ModelDirectory::open(folder_ / "model"), {},
                              {Anchor::kHard, 0, fade}, at::kCPU);
    return BlockChain(blocks, 32.0, std::move(first));
  }
  /// Frame j holds `first` + j everywhere.
  static at::Tensor counting(double first, std::int64_t frames = 8) {
    return at::arange(frames).add(first).to(at::kFloat).view({frames, 1, 1, 1});
  }
  static at::Tensor values(const std::vector<float>& of) {
    return at::tensor(of).view({-1, 1, 1, 1});
  }

 private:
  testing::TemporaryFolder folder_;
};

TEST(Crossfade, ChangesInEqualSteps) {
  const at::Tensor before = at::full({3, 4, 2, 2}, 1.0), after = at::full({3, 4, 2, 2}, 5.0);
  const at::Tensor faded = crossfade(before, after);
  EXPECT_EQ(faded.sizes(), before.sizes());
  for (std::int64_t j = 0; j < 3; ++j) {
    EXPECT_TRUE(at::allclose(faded[j], at::full({4, 2, 2}, 2.0 + double(j)))) << j;
  }
  EXPECT_EQ(crossfade(before.slice(0, 3), after.slice(0, 3)).size(0), 0);
}

TEST_F(BlockChainTest, FramesOfTheVideoComeOnceAndFadeWhereBothBlocksDrewThem) {
  BlockChain video = chain(2, {counting(100.0, 1)});
  EXPECT_TRUE(at::equal(video.add(counting(0.0), false), counting(0.0, 6)));
  // The next block's frames 0 and 1 are given, 2 and 3 it draws itself: 32 and 33 against 6 and 7.
  EXPECT_TRUE(at::equal(video.next().given, values({4, 5})));
  EXPECT_TRUE(at::allclose(video.add(counting(30.0), true),
                           values({6 + 26 / 3.0F, 7 + 52 / 3.0F, 34, 35, 36, 37})));
}

TEST_F(BlockChainTest, WithoutFadeAllRepeatedFramesAreGiven) {
  BlockChain video = chain(0, {counting(100.0, 1)});
  EXPECT_TRUE(at::equal(video.add(counting(0.0), false), counting(0.0)));
  EXPECT_TRUE(at::equal(video.next().given, counting(4.0, 4)));
  EXPECT_TRUE(at::equal(video.add(counting(30.0), false), counting(34.0, 4)));
}

TEST_F(BlockChainTest, OneBlockIsWhole) {
  EXPECT_TRUE(at::equal(chain(2, {counting(100.0, 1)}).add(counting(0.0), true), counting(0.0)));
}

TEST_F(BlockChainTest, TheHeartsCycleGoesOnByTheFramesThatAreNew) {
  BlockStart first{counting(0.0, 1)};
  first.cycle = models::HeartCycle{60.0, 0.25};
  BlockChain video = chain(2, first);
  EXPECT_EQ(video.next().cycle->start, 0.25);
  video.add(counting(0.0), false);
  EXPECT_NEAR(video.next().cycle->start, 0.25 + 4.0 / 32.0, 1e-12);
}

}  // namespace
}  // namespace echopath::generation
