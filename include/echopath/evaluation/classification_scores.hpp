#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "echopath/core/statistics.hpp"

namespace echopath::evaluation {

struct Predictions;

/// accuracy, balanced_accuracy, macro_f1, macro_precision, macro_recall, auc, average_precision,
/// calibration_error, brier: the order of Scores.
const std::vector<std::string>& score_names();

/// One figure for each of score_names(); not a number where it is not defined.
///
/// Precision, recall and F1 are means over the classes, 0 for a class that nothing is called (as
/// scikit-learn with zero_division 0); balanced accuracy is the mean recall of the classes that
/// occur. AUC and average precision are those of the second class where there are two, else means
/// over the classes of each against the rest. The calibration error is the expected difference of
/// confidence and accuracy over 15 bins of equal width (Guo et al. 2017). The Brier score is the
/// mean squared error of the second class's probability where there are two, else of all
/// probabilities summed.
using Scores = std::vector<double>;

/// Of some rows of predictions, which may come several times.
Scores classification_scores(const Predictions& predictions, const std::vector<std::size_t>& rows,
                             AucFrom auc_from = AucFrom::kScores);

/// The calibration error to expect of a perfectly calibrated classifier with the confidences of
/// these predictions: the mean over 1000 draws, always the same, in which each row is right with
/// the probability that its confidence says. Above 0 of few rows.
double calibration_error_if_calibrated(const Predictions& predictions);

/// McNemar's test of two classifiers on the same videos: is one right more often where they differ?
struct McNemar {
  std::int64_t only_a = 0;  ///< videos that only a has right
  std::int64_t only_b = 0;
  double p = 1.0;  ///< exact, two-sided, binomial
};
McNemar mcnemar_test(const Predictions& a, const Predictions& b);

/// The test of DeLong et al. (1988) for the AUCs of two scores of the same rows. It takes rows for
/// independent.
struct DeLong {
  double auc_a = 0.0;
  double auc_b = 0.0;
  double standard_error = 0.0;  ///< of auc_a − auc_b
  /// Two-sided, normal; 1 where the AUCs are equal. Not a number where they differ and their
  /// variance is estimated as 0 (all rows ranked right by one, all tied by the other): the test
  /// then says nothing.
  double p = 1.0;
};
DeLong delong_test(const std::vector<double>& a, const std::vector<double>& b,
                   const std::vector<bool>& positive);

}  // namespace echopath::evaluation
