#include "echopath/evaluation/inception_score.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

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
  const InceptionScore score = inception_score(reference().at("probabilities"));
  expect_equal(score, reference().at("inception_score_of_95"));
  EXPECT_FALSE(std::isnan(score.mean));
}

TEST(InceptionScore, WithAFixedDenominatorEqualsTheReference) {
  for (const std::int64_t denominator : {100, 120}) {
    const InceptionScoreOptions options{.split_denominator = denominator};
    expect_equal(inception_score(reference().at("probabilities"), options),
                 reference().at("inception_score_of_" + std::to_string(denominator)));
  }
}

TEST(InceptionScore, IsOneForEqualRowsAndTheNumberOfClassesForCertainOnes) {
  const InceptionScoreOptions whole{.splits = 1};
  EXPECT_NEAR(inception_score(at::full({8, 4}, 0.25), whole).mean, 1.0, 1e-12);
  EXPECT_NEAR(inception_score(at::eye(4, at::kDouble).repeat({3, 1}), whole).mean, 4.0, 1e-12);
}

TEST(InceptionScore, KeepsTheOrderOfTheImages) {
  // Each split sees one class only, so that the score of every split is 1.
  const at::Tensor sorted = at::eye(2, at::kDouble).repeat_interleave(6, 0);
  EXPECT_NEAR(inception_score(sorted, {.splits = 2}).mean, 1.0, 1e-12);
  EXPECT_NEAR(inception_score(sorted, {.splits = 1}).mean, 2.0, 1e-12);
}

TEST(InceptionScore, RefusesWhatIsNoProbabilityAndTooFewImages) {
  EXPECT_THROW(inception_score(at::full({20, 4}, 0.5)), DataError);
  EXPECT_THROW(inception_score(at::full({20, 4}, std::nan(""))), DataError);
  EXPECT_THROW(inception_score(at::tensor({1.5, -0.5}).repeat({20, 1})), DataError);
  EXPECT_THROW(inception_score(at::full({20}, 1.0)), DataError);
  EXPECT_THROW(inception_score(at::full({9, 4}, 0.25)), DataError);
}

}  // namespace
}  // namespace echopath::evaluation
