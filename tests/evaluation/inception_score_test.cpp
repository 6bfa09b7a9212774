#include "echopath/evaluation/inception_score.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "echopath/core/errors.hpp"
#include "evaluation/reference.hpp"

namespace echopath::evaluation {
namespace {

using testing::reference;

/// `expected` holds the splits, their mean and their deviation.
void expect_equal(const InceptionScore& score, const at::Tensor& expected) {
  std::vector<double> values = score.splits;
  values.push_back(score.mean);
  values.push_back(score.standard_deviation);
  const at::Tensor made = at::tensor(values, at::kDouble);
  EXPECT_TRUE(at::allclose(made, expected, 1e-10, 1e-10, /*equal_nan=*/true)) << made << "\n"
                                                                              << expected;
}

TEST(InceptionScore, EqualsTheReference) {
  const InceptionScore score = inception_score(reference().at("probabilities").log());
  expect_equal(score, reference().at("inception_score_of_95"));
  EXPECT_FALSE(std::isnan(score.mean));
}

TEST(InceptionScore, WithAFixedDenominatorEqualsTheReference) {
  for (const std::int64_t denominator : {100, 120}) {
    const InceptionScoreOptions options{.split_denominator = denominator};
    expect_equal(inception_score(reference().at("probabilities").log(), options),
                 reference().at("inception_score_of_" + std::to_string(denominator)));
  }
}

TEST(InceptionScore, IsOneForEqualRowsAndTheNumberOfClassesForCertainOnes) {
  const InceptionScoreOptions whole{.splits = 1};
  EXPECT_NEAR(inception_score(at::full({8, 4}, 0.25).log(), whole).mean, 1.0, 1e-12);
  EXPECT_NEAR(inception_score(at::eye(4, at::kDouble).repeat({3, 1}).log(), whole).mean, 4.0,
              1e-12);
}

TEST(InceptionScore, KeepsTheOrderOfTheImages) {
  // Each split sees one class only, so that the score of every split is 1.
  const at::Tensor sorted = at::eye(2, at::kDouble).repeat_interleave(6, 0).log();
  EXPECT_NEAR(inception_score(sorted, {.splits = 2}).mean, 1.0, 1e-12);
  EXPECT_NEAR(inception_score(sorted, {.splits = 1}).mean, 2.0, 1e-12);
}

TEST(InceptionScore, RefusesWhatIsNoProbabilityAndTooFewImages) {
  EXPECT_THROW(inception_score(at::full({20, 4}, 0.5).log()), DataError);
  EXPECT_THROW(inception_score(at::full({20, 4}, std::nan(""))), DataError);
  EXPECT_THROW(inception_score(at::tensor({1.5, -0.5}).repeat({20, 1})), DataError);
  EXPECT_THROW(inception_score(at::zeros({20})), DataError);
  EXPECT_THROW(inception_score(at::full({9, 4}, 0.25).log()), DataError);
}

TEST(InceptionScore, OfChunksHasAShortLastOneAndTheDivisorAskedFor) {
  // 5 rows in 2 chunks: 3 rows of two classes, 2 rows of one.
  const at::Tensor logs =
      at::eye(2, at::kDouble).index_select(0, at::tensor({0, 0, 1, 1, 1})).log();
  const double first = std::exp(-(2.0 / 3) * std::log(2.0 / 3) - (1.0 / 3) * std::log(1.0 / 3));
  const InceptionScore score = inception_score(logs, {.splits = 2, .chunks = true, .ddof = 1});
  ASSERT_EQ(score.splits.size(), 2U);
  EXPECT_NEAR(score.splits[0], first, 1e-12);
  EXPECT_NEAR(score.splits[1], 1.0, 1e-12);
  EXPECT_NEAR(score.standard_deviation, (first - 1) / std::sqrt(2.0), 1e-12);
}

// A class that only one fold has leaves nothing behind, not even less than nothing.
TEST(InceptionSums, WithoutTheOnlyRowsOfAClassAreThoseOfTheRest) {
  torch::manual_seed(9);
  const at::Tensor logs = (at::randn({60, 3}, at::kDouble) * 3).log_softmax(1);
  at::Tensor rare = at::full({7, 4}, 1e-3, at::kDouble);
  rare.select(1, 3).fill_(0.997);
  const at::Tensor none = at::full({60, 1}, -std::numeric_limits<double>::infinity(), at::kDouble);
  const at::Tensor common = at::cat({logs, none}, 1);
  InceptionSums all(4), part(4), rest(4);
  all.add(common);
  all.add(rare.log());
  part.add(rare.log());
  rest.add(common);
  EXPECT_NEAR(all.without(part).score(), rest.score(), 1e-9);
}

}  // namespace
}  // namespace echopath::evaluation
