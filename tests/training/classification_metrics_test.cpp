#include "echopath/training/classification_metrics.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace echopath::training {
namespace {

using ::testing::ElementsAre;

TEST(ClassificationMetrics, OfTwoClasses) {
  // Called 0 0 1 1 1 for the classes 0 0 0 1 1.
  const at::Tensor positive = at::tensor({0.1, 0.4, 0.6, 0.55, 0.9});
  const ClassificationMetrics metrics = classification_metrics(
      at::stack({1.0 - positive, positive}, 1), at::tensor({0, 0, 0, 1, 1}, at::kLong));
  EXPECT_DOUBLE_EQ(metrics.accuracy, 0.8);
  EXPECT_DOUBLE_EQ(metrics.balanced_accuracy, (2.0 / 3.0 + 1.0) / 2.0);
  EXPECT_DOUBLE_EQ(metrics.macro_f1, (4.0 / 5.0 + 4.0 / 5.0) / 2.0);
  // Of six pairs one is the wrong way round: 0.6 of a negative above 0.55 of a positive.
  EXPECT_DOUBLE_EQ(metrics.auc, 5.0 / 6.0);
}

TEST(ClassificationMetrics, OfThreeClassesWithOneThatNothingIsCalled) {
  // Called 0 0 1 1 for the classes 0 1 1 2.
  const at::Tensor probabilities =
      at::tensor({0.7, 0.2, 0.1, 0.5, 0.4, 0.1, 0.2, 0.7, 0.1, 0.1, 0.6, 0.3}).view({4, 3});
  const ClassificationMetrics metrics =
      classification_metrics(probabilities, at::tensor({0, 1, 1, 2}, at::kLong));
  EXPECT_DOUBLE_EQ(metrics.accuracy, 0.5);
  EXPECT_DOUBLE_EQ(metrics.balanced_accuracy, (1.0 + 0.5 + 0.0) / 3.0);
  EXPECT_NEAR(metrics.macro_f1, (2.0 / 3.0 + 0.5 + 0.0) / 3.0, 1e-12);
  // Against the rest: class 0 above all, class 1 right in 3 of 4 pairs, class 2 above all.
  EXPECT_NEAR(metrics.auc, (1.0 + 0.75 + 1.0) / 3.0, 1e-12);
  // The logarithms rank alike.
  EXPECT_EQ(classification_metrics(probabilities.log(), at::tensor({0, 1, 1, 2}, at::kLong)).auc,
            metrics.auc);
}

TEST(ClassificationMetrics, ClassesThatDoNotOccurCountForNoRecall) {
  const at::Tensor probabilities = at::tensor({0.9, 0.1, 0.2, 0.8}).view({2, 2});
  const ClassificationMetrics metrics =
      classification_metrics(probabilities, at::tensor({0, 0}, at::kLong));
  EXPECT_DOUBLE_EQ(metrics.balanced_accuracy, 0.5);
  EXPECT_TRUE(std::isnan(metrics.auc));
}

TEST(BalancedClassWeights, MakeEachClassCountAlike) {
  EXPECT_THAT(balanced_class_weights({30, 10}), ElementsAre(40.0 / 60.0, 2.0));
  EXPECT_THAT(balanced_class_weights({5, 5, 5}), ElementsAre(1.0, 1.0, 1.0));
}

TEST(WeightedCrossEntropy, IsAMeanThatMicroBatchesAddUpTo) {
  const at::Tensor logs = at::tensor({0.8, 0.2, 0.4, 0.6, 0.1, 0.9}).view({3, 2}).log();
  const at::Tensor labels = at::tensor({0, 0, 1}, at::kLong), weights = at::tensor({0.5, 3.0});
  const double whole = weighted_cross_entropy(logs, labels, weights).item<double>();
  EXPECT_NEAR(whole, -(0.5 * std::log(0.8) + 0.5 * std::log(0.4) + 3.0 * std::log(0.9)) / 3.0,
              1e-6);
  const auto part = [&](std::int64_t from, std::int64_t to) {
    return weighted_cross_entropy(logs.slice(0, from, to), labels.slice(0, from, to), weights)
        .item<double>();
  };
  EXPECT_NEAR((2.0 * part(0, 2) + part(2, 3)) / 3.0, whole, 1e-6);
}

TEST(WeightedCrossEntropy, OfMapsIsTheMeanOverPixels) {
  const at::Tensor logs = at::full({1, 2, 2, 2}, 0.5).log();
  const at::Tensor labels = at::tensor({0, 0, 0, 1}, at::kLong).view({1, 2, 2});
  EXPECT_NEAR(weighted_cross_entropy(logs, labels, at::tensor({1.0F, 5.0F})).item<double>(),
              2.0 * std::log(2.0), 1e-6);
}

/// Labels of two images, 2 × 2.
at::Tensor two_maps() {
  return at::tensor({0, 1, 1, 2, 0, 0, 0, 1}, at::kLong).view({2, 2, 2});
}

TEST(DiceLoss, IsZeroForTheTruthAndLeavesTheBackgroundOut) {
  const at::Tensor sure = at::one_hot(two_maps(), 3).permute({0, 3, 1, 2}).to(at::kFloat);
  EXPECT_NEAR(dice_loss(sure, two_maps()).item<double>(), 0.0, 1e-6);
  // Everything called background: (0 + 1) / (0 + g + 1) for g = 2, 1, 1 and 0 pixels.
  at::Tensor background = at::zeros({2, 3, 2, 2});
  background.select(1, 0).fill_(1.0);
  EXPECT_NEAR(dice_loss(background, two_maps()).item<double>(),
              1.0 - (1.0 / 3.0 + 1.0 / 2.0 + 1.0 / 2.0 + 1.0) / 4.0, 1e-6);
}

TEST(DiceLoss, OfABatchIsTheMeanOverItsImages) {
  const at::Tensor guess = at::softmax(at::arange(24, at::kFloat).sin().view({2, 3, 2, 2}), 1);
  const double each = 0.5 * (dice_loss(guess.slice(0, 0, 1), two_maps().slice(0, 0, 1)) +
                             dice_loss(guess.slice(0, 1, 2), two_maps().slice(0, 1, 2)))
                                .item<double>();
  EXPECT_NEAR(dice_loss(guess, two_maps()).item<double>(), each, 1e-6);
}

TEST(DiceCoefficients, AreTakenImageByImageAndLabelByLabel) {
  const at::Tensor predicted = at::tensor({1, 1, 0, 2, 0, 0, 0, 1}, at::kLong).view({2, 2, 2});
  const at::Tensor dice = dice_coefficients(predicted, two_maps(), 3);
  EXPECT_DOUBLE_EQ(dice[0][0].item<double>(), 2.0 * 1.0 / 4.0);
  EXPECT_DOUBLE_EQ(dice[0][1].item<double>(), 1.0);
  EXPECT_DOUBLE_EQ(dice[1][0].item<double>(), 1.0);
  EXPECT_TRUE(std::isnan(dice[1][1].item<double>())) << "in neither map";
}

}  // namespace
}  // namespace echopath::training
