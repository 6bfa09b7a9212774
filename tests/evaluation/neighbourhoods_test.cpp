// Precision, recall, density and coverage in blocks: how rows are blocked and dealt changes
// nothing.
#include "evaluation/neighbourhoods.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "core/peak_memory.hpp"
#include "echopath/core/random.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"
#include "evaluation/made_table.hpp"

namespace echopath::evaluation {
namespace {

using testing::table_of;

/// The rows of one part, patients as they were.
FeatureTable part_of(const FeatureTable& table, const at::Tensor& parts, std::int64_t part) {
  FeatureTable result;
  result.features = table.features.index_select(0, parts.eq(part).nonzero().squeeze(1));
  std::int64_t total = 0;
  for (VideoRows video : table.videos) {
    const at::Tensor own = parts.slice(0, video.begin, video.end);
    const std::int64_t rows = own.eq(part).sum().item<std::int64_t>();
    if (rows == 0) continue;
    video.begin = total;
    total += rows;
    video.end = total;
    result.videos.push_back(video);
  }
  return result;
}

/// 61 real rows of 21 patients, 53 synthetic ones of 27, and three deals: all rows; two parts of
/// rows by chance; all but two real rows in no part.
class Neighbourhoods : public ::testing::Test {
 protected:
  Neighbourhoods() {
    deals_.real =
        at::stack({at::zeros({61}, at::kChar), drawn(61, 3), at::full({61}, -1, at::kChar)});
    deals_.real[2].slice(0, 0, 2).zero_();
    deals_.synthetic = at::stack({at::zeros({53}, at::kChar), drawn(53, 4), drawn(53, 5)});
    protocol_.density_neighbours = 4;
  }

  static at::Tensor noise(std::int64_t rows, std::uint32_t draw) {
    return normal_tensor({rows, 6}, {11, Stream::kDataset, draw});
  }
  /// Of every ten rows about one in neither part.
  static at::Tensor drawn(std::int64_t rows, std::uint32_t draw) {
    const at::Tensor value = normal_tensor({rows}, {11, Stream::kDataset, draw});
    return value.ge(0).to(at::kChar).masked_fill(value.ge(1.3), -1);
  }

  const FeatureTable real_ = table_of(noise(61, 1), 3);
  const FeatureTable synthetic_ = table_of(noise(53, 2) * 1.3 + 0.2, 2);
  Deals deals_;
  MetricProtocol protocol_;
};

TEST_F(Neighbourhoods, BlocksOfAnySizeGiveTheFiguresOfAllRowsAtOnce) {
  for (const char* neighbours : {"any", "other_patients"}) {
    protocol_.neighbours = neighbours;
    const auto whole = neighbourhood_figures(real_, synthetic_, protocol_, deals_);
    ASSERT_EQ(whole.size(), 3U);
    EXPECT_TRUE(whole[1][0].has_neighbours && whole[1][1].has_neighbours);
    for (const double value : whole[0][0].values) {
      EXPECT_GT(value, 0.0);
      EXPECT_LT(value, 1.5);
    }
    for (const std::int64_t block : {7, 20, 60}) {
      EXPECT_EQ(neighbourhood_figures(real_, synthetic_, protocol_, deals_, block), whole)
          << neighbours << ", blocks of " << block;
    }
  }
}

TEST_F(Neighbourhoods, APartIsWhatItsRowsAloneAre) {
  const auto dealt = neighbourhood_figures(real_, synthetic_, protocol_, deals_, 7);
  for (std::int64_t part = 0; part < 2; ++part) {
    const FeatureTable real = part_of(real_, deals_.real[1], part);
    const FeatureTable synthetic = part_of(synthetic_, deals_.synthetic[1], part);
    ASSERT_GT(real.rows(), 10);
    const auto alone = manifold_metrics(real, synthetic, protocol_, {.folds = 0});
    const PartFigures& made = dealt[1][static_cast<std::size_t>(part)];
    for (std::size_t i = 0; i < alone.size(); ++i) {
      EXPECT_DOUBLE_EQ(made.values[i], alone[i].estimate.value) << alone[i].metric;
    }
  }
}

TEST_F(Neighbourhoods, APartWithTooFewNeighboursOrNoRowsHasNoFigures) {
  const auto made = neighbourhood_figures(real_, synthetic_, protocol_, deals_, 7);
  EXPECT_TRUE(made[0][0].has_neighbours);
  EXPECT_FALSE(made[0][1].has_neighbours);  // no rows
  EXPECT_FALSE(made[2][0].has_neighbours);  // two real rows of one patient
  EXPECT_EQ(made[2][0].values, ManifoldValues{});
}

// Three matrices of distances between 8000 rows would be 768 MB in float32.
TEST(NeighbourhoodsMemory, DoesNotGrowWithTheSquareOfTheRows) {
  const MetricProtocol protocol = protocol_of("torch-fidelity");
  ASSERT_EQ(protocol.pair_rows, 0);
  const FeatureTable real = table_of(normal_tensor({8000, 4}, {12, Stream::kDataset, 1}), 1);
  const FeatureTable synthetic = table_of(normal_tensor({8000, 4}, {12, Stream::kDataset, 2}), 1);
  restart_peak_bytes();
  const double before = peak_bytes();
  const auto made = manifold_metrics(real, synthetic, protocol, {.folds = 2});
  EXPECT_LT(peak_bytes() - before, 400e6);
  // Two samples of one distribution.
  EXPECT_NEAR(made[2].estimate.value, 1.0, 0.1);
  EXPECT_TRUE(made[2].estimate.has_interval);
}

}  // namespace
}  // namespace echopath::evaluation
