#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/core/statistics.hpp"
#include "echopath/evaluation/classification_scores.hpp"

namespace echopath::evaluation {

/// One way of training, judged on the test split: several classifiers of it, from several seeds or
/// folds.
struct ClassificationArm {
  std::string name;
  /// Each MODEL_DIR:COMPONENT, or a CSV of predictions.
  std::vector<std::string> sources;
};

/// Parses "NAME=SOURCE[,SOURCE…]". Throws UsageError.
ClassificationArm parse_arm(const std::string& text);

/// What `echopath eval classification` does.
struct ClassificationEvaluation {
  std::string real;                     ///< dataset with the test videos
  std::string split = "TEST";           ///< empty: all videos
  std::vector<ClassificationArm> arms;  ///< the first one is what the others are compared with
  /// Further arms to compare, A against B: "A:B". Names of arms may hold colons themselves.
  std::vector<std::string> pairs;
  std::string out = "classification";
  std::string auc_from = "scores";  ///< or labels, as EchoPath has it
  bool again = false;               ///< a second look at an arm on TEST is wanted
  std::string looks;                ///< register; empty: test_looks.jsonl in `real`
  BootstrapOptions bootstrap;
  std::string device = "auto";
};

/// What one classifier of an arm came from.
struct ArmSource {
  std::string text;    ///< as given: MODEL_DIR:COMPONENT or a CSV
  std::string sha256;  ///< of the weights or of the CSV
};

/// The figures of one arm. Vectors of figures run over score_names().
struct ArmResult {
  std::string name;
  std::vector<ArmSource> sources;
  std::int64_t videos = 0;
  std::int64_t patients = 0;
  std::int64_t look = 0;          ///< 1 for the first look at TEST; 0 where it was not looked at
  std::vector<Scores> by_source;  ///< of each classifier
  Scores mean;                    ///< over the classifiers
  Scores deviation;               ///< over the classifiers, divisor n − 1; 0 for one
  /// Of the mean, over patients. The bounds of the calibration error are not numbers: a bootstrap
  /// of it lies above the truth.
  std::vector<Interval> intervals;
  double calibration_error_if_calibrated = 0.0;  ///< mean over the classifiers
};

/// An arm against another one, by the probabilities averaged over each arm's classifiers.
struct ArmComparison {
  std::string arm;
  std::string against;
  McNemar mcnemar;
  DeLong delong;  ///< two classes only, else not numbers
  /// Arm − against of each score, over patients; that of the calibration error without bounds.
  std::vector<Interval> differences;
};

struct ClassificationResult {
  /// What was asked. `looks` is the register that the looks stand in, empty where none was counted.
  ClassificationEvaluation asked;
  std::vector<std::string> classes;
  std::vector<ArmResult> arms;
  /// Each arm against the first, then the pairs that were asked for, none of them twice.
  std::vector<ArmComparison> comparisons;

  config::Json to_json() const;
};

/// Judges classifiers on the videos of a split and compares the arms. Writes into `out`:
/// classification.json, classification.csv (a row for each arm), comparisons.csv and
/// predictions/ARM_I.csv. Where TEST videos are among those judged, each arm's look is recorded
/// (TestLooks) when all results are ready and before any is to be seen: a run that fails or is
/// stopped counts none and can be started again.
/// Throws UsageError on a second look at an arm without `again`, two arms of one name, a pair that
/// does not name two of the arms, `out` holding something else; DataError on patients in two
/// splits, classes or videos that are not those of the first arm, a component that is no
/// classifier, results that cannot be written; Interrupted after a signal.
ClassificationResult evaluate_classification(const ClassificationEvaluation& options);

}  // namespace echopath::evaluation
