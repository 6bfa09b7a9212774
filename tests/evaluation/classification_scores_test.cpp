#include "echopath/evaluation/classification_scores.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "echopath/config/options.hpp"
#include "echopath/evaluation/predictions.hpp"

namespace echopath::evaluation {
namespace {

const config::Json& reference() {
  static const config::Json json =
      config::read_json(ECHOPATH_SOURCE_DIR "/tests/fixtures/evaluation/classification.json");
  return json;
}

Predictions predictions(const std::string& name) {
  Predictions result;
  reference().at(name).at("p").get_to(result.probabilities);
  reference().at(name).at("labels").get_to(result.labels);
  for (std::size_t c = 0; c < result.probabilities[0].size(); ++c) {
    result.classes.push_back("class " + std::to_string(c));
  }
  for (std::size_t row = 0; row < result.labels.size(); ++row) {
    result.names.push_back("video " + std::to_string(row));
    result.patients.push_back("patient " + std::to_string(row));
  }
  return result;
}

Scores all_scores(const Predictions& predictions, AucFrom from = AucFrom::kScores) {
  std::vector<std::size_t> rows(predictions.size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  return classification_scores(predictions, rows, from);
}

class ClassificationScores : public ::testing::TestWithParam<const char*> {};

TEST_P(ClassificationScores, AreThoseOfScikitLearn) {
  const Scores scores = all_scores(predictions(GetParam()));
  const config::Json& expected = reference().at(GetParam()).at("scores");
  ASSERT_EQ(scores.size(), score_names().size());
  for (std::size_t k = 0; k < scores.size(); ++k) {
    EXPECT_NEAR(scores[k], expected.at(score_names()[k]).get<double>(), 1e-9) << score_names()[k];
  }
}

INSTANTIATE_TEST_SUITE_P(ByClasses, ClassificationScores,
                         ::testing::Values("two", "other", "three"));

TEST(ClassificationScoresOfLabels, GiveTheHardLabelAucThatEchoPathPublishes) {
  const Scores scores = all_scores(predictions("two"), AucFrom::kLabels);
  EXPECT_NEAR(scores[5], reference().at("two").at("hard_auc").get<double>(), 1e-12);
  EXPECT_NEAR(scores[5], scores[1], 1e-12);  // the balanced accuracy
}

TEST(ClassificationScoresOfFewRows, LeaveOutAClassThatNothingIsCalled) {
  Predictions all_first = predictions("two");
  for (auto& p : all_first.probabilities) p = {1.0, 0.0};
  const Scores scores = all_scores(all_first);
  EXPECT_NEAR(scores[0], 0.5, 1e-12);
  EXPECT_NEAR(scores[3], 0.25, 1e-12);  // precision of the second class counts as 0
  EXPECT_NEAR(scores[2], 1.0 / 3.0, 1e-12);
}

/// Videos of two classes, called the first with these confidences.
Predictions confident(const std::vector<double>& confidences) {
  Predictions result;
  result.classes = {"one", "other"};
  for (const double p : confidences) {
    result.names.push_back("video " + std::to_string(result.names.size()));
    result.patients.push_back(result.names.back());
    result.labels.push_back(0);
    result.probabilities.push_back({p, 1 - p});
  }
  return result;
}

TEST(CalibrationErrorIfCalibrated, IsThatOfLabelsDrawnByTheConfidences) {
  EXPECT_EQ(calibration_error_if_calibrated(confident({1, 1, 1})), 0.0);
  // Right in three of four draws: 0.75·|0.75 − 1| + 0.25·0.75, to four standard errors.
  EXPECT_NEAR(calibration_error_if_calibrated(confident({0.75})), 0.375, 0.028);
  // Two in one bin: both right 9/16, one 6/16, none 1/16; errors 1/4, 1/4 and 3/4.
  EXPECT_NEAR(calibration_error_if_calibrated(confident({0.75, 0.75})), 0.28125, 0.016);
  // Two bins, each with the error of a single video.
  EXPECT_NEAR(calibration_error_if_calibrated(confident({0.75, 1.0})), 0.1875, 0.014);
  // Labels take no part, and the draws are always the same.
  Predictions wrong = confident({0.75, 0.6});
  const double right = calibration_error_if_calibrated(wrong);
  wrong.labels = {1, 1};
  EXPECT_EQ(calibration_error_if_calibrated(wrong), right);
}

TEST(CalibrationErrorIfCalibrated, FallsWithTheNumberOfVideos) {
  // E|mean − 0.75| of n draws is about √(2/π · 0.1875/n).
  const double many = calibration_error_if_calibrated(confident(std::vector<double>(400, 0.75)));
  EXPECT_NEAR(many, std::sqrt(2 / std::numbers::pi * 0.1875 / 400), 0.002);
}

TEST(McNemarTest, IsTheExactBinomialTest) {
  const McNemar test = mcnemar_test(predictions("two"), predictions("other"));
  const config::Json& expected = reference().at("mcnemar");
  EXPECT_EQ(test.only_a, expected.at("only_a"));
  EXPECT_EQ(test.only_b, expected.at("only_b"));
  EXPECT_NEAR(test.p, expected.at("p").get<double>(), 1e-12);
  EXPECT_EQ(mcnemar_test(predictions("two"), predictions("two")).p, 1.0);
}

TEST(DeLongTest, IsThatByMidranks) {
  const Predictions a = predictions("two"), b = predictions("other");
  std::vector<double> scores_a, scores_b;
  std::vector<bool> positive;
  for (std::size_t row = 0; row < a.size(); ++row) {
    scores_a.push_back(a.probabilities[row][1]);
    scores_b.push_back(b.probabilities[row][1]);
    positive.push_back(a.labels[row] == 1);
  }
  const DeLong test = delong_test(scores_a, scores_b, positive);
  const config::Json& expected = reference().at("delong");
  EXPECT_NEAR(test.auc_a, expected.at("auc_a").get<double>(), 1e-12);
  EXPECT_NEAR(test.auc_b, expected.at("auc_b").get<double>(), 1e-12);
  EXPECT_NEAR(test.standard_error, expected.at("standard_error").get<double>(), 1e-12);
  EXPECT_NEAR(test.p, expected.at("p").get<double>(), 1e-12);
  EXPECT_EQ(delong_test(scores_a, scores_a, positive).p, 1.0);
  EXPECT_TRUE(std::isnan(delong_test({1, 2}, {1, 2}, {true, false}).p));
}

TEST(DeLongTest, SaysNothingWhereTheVarianceIsEstimatedAsZero) {
  // One ranks all right, the other ties all: every row tells the same.
  const DeLong test = delong_test({4, 3, 2, 1}, {1, 1, 1, 1}, {true, true, false, false});
  EXPECT_EQ(test.auc_a, 1.0);
  EXPECT_EQ(test.auc_b, 0.5);
  EXPECT_EQ(test.standard_error, 0.0);
  EXPECT_TRUE(std::isnan(test.p));
}

}  // namespace
}  // namespace echopath::evaluation
