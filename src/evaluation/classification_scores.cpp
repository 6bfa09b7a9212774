#include "echopath/evaluation/classification_scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "echopath/core/random.hpp"
#include "echopath/evaluation/predictions.hpp"

namespace echopath::evaluation {
namespace {

constexpr int kCalibrationBins = 15;
constexpr std::uint32_t kCalibrationDraws = 1000;
/// Sets these draws apart from others.
constexpr std::uint64_t kCalibration = 0x63616c69;
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

/// Means over the classes, from confusion[i][j]: videos of class i that were called j.
struct Confusion {
  double accuracy = 0.0, balanced_accuracy = 0.0;
  double f1 = 0.0, precision = 0.0, recall = 0.0;
};

Confusion confusion_figures(const Predictions& predictions, const std::vector<std::size_t>& rows) {
  const std::size_t classes = predictions.classes.size();
  std::vector<std::vector<double>> counts(classes, std::vector<double>(classes, 0.0));
  for (const std::size_t row : rows) counts[predictions.labels[row]][predictions.called(row)] += 1;
  Confusion figures;
  const auto share = 1.0 / static_cast<double>(classes);
  double occurring = 0.0, right = 0.0;
  for (std::size_t k = 0; k < classes; ++k) {
    double truly = 0.0, called = 0.0;
    for (std::size_t i = 0; i < classes; ++i) {
      truly += counts[k][i];
      called += counts[i][k];
    }
    const double hits = counts[k][k];
    right += hits;
    if (called > 0) figures.precision += share * hits / called;
    if (truly + called > 0) figures.f1 += share * 2.0 * hits / (truly + called);
    if (truly == 0) continue;
    occurring += 1.0;
    figures.recall += share * hits / truly;
    figures.balanced_accuracy += hits / truly;
  }
  figures.accuracy = right / static_cast<double>(rows.size());
  figures.balanced_accuracy /= occurring;
  return figures;
}

/// The probability of the class that a row is called.
double confidence_of(const Predictions& predictions, std::size_t row) {
  return predictions.probabilities[row][predictions.called(row)];
}

/// The expected difference of confidence and accuracy over bins of equal width.
double binned_error(const std::vector<double>& confidences, const std::vector<bool>& is_right) {
  std::vector<double> confidence(kCalibrationBins, 0.0), right(kCalibrationBins, 0.0);
  for (std::size_t i = 0; i < confidences.size(); ++i) {
    // Bins (0, 1/15], (1/15, 2/15], …
    const int bin = std::clamp(static_cast<int>(std::ceil(confidences[i] * kCalibrationBins)) - 1,
                               0, kCalibrationBins - 1);
    confidence[static_cast<std::size_t>(bin)] += confidences[i];
    right[static_cast<std::size_t>(bin)] += is_right[i] ? 1.0 : 0.0;
  }
  double error = 0.0;
  for (std::size_t bin = 0; bin < confidence.size(); ++bin) {
    error += std::abs(confidence[bin] - right[bin]) / static_cast<double>(confidences.size());
  }
  return error;
}

double calibration_error(const Predictions& predictions, const std::vector<std::size_t>& rows) {
  std::vector<double> confidences;
  std::vector<bool> is_right;
  for (const std::size_t row : rows) {
    confidences.push_back(confidence_of(predictions, row));
    is_right.push_back(predictions.called(row) == predictions.labels[row]);
  }
  return binned_error(confidences, is_right);
}

double brier_score(const Predictions& predictions, const std::vector<std::size_t>& rows) {
  double sum = 0.0;
  for (const std::size_t row : rows) {
    for (std::size_t c = 0; c < predictions.classes.size(); ++c) {
      const double truth = predictions.labels[row] == c ? 1.0 : 0.0;
      sum += std::pow(predictions.probabilities[row][c] - truth, 2);
    }
  }
  if (predictions.classes.size() == 2) sum /= 2.0;
  return sum / static_cast<double>(rows.size());
}

double mean_average_precision(const Predictions& predictions,
                              const std::vector<std::size_t>& rows) {
  const std::size_t classes = predictions.classes.size();
  double sum = 0.0, counted = 0.0;
  for (std::size_t c = classes == 2 ? 1 : 0; c < classes; ++c) {
    std::vector<double> scores;
    std::vector<bool> positive;
    for (const std::size_t row : rows) {
      scores.push_back(predictions.probabilities[row][c]);
      positive.push_back(predictions.labels[row] == c);
    }
    const double precision = average_precision(scores, positive);
    if (std::isnan(precision)) continue;
    sum += precision;
    counted += 1.0;
  }
  return counted == 0 ? kNotANumber : sum / counted;
}

double choose_two_sided(std::int64_t fewer, std::int64_t all) {
  // Σ_{i ≤ fewer} C(all, i) / 2^all, in logarithms.
  double tail = 0.0;
  for (std::int64_t i = 0; i <= fewer; ++i) {
    const auto n = static_cast<double>(all), k = static_cast<double>(i);
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) -
                     n * std::log(2.0));
  }
  return std::min(1.0, 2.0 * tail);
}

/// How often each row of one kind ranks right against the rows of the other (ties half).
std::vector<double> placements(const std::vector<double>& of, const std::vector<double>& against,
                               bool above) {
  std::vector<double> values;
  for (const double x : of) {
    double wins = 0.0;
    for (const double y : against) wins += x == y ? 0.5 : ((x > y) == above ? 1.0 : 0.0);
    values.push_back(wins / static_cast<double>(against.size()));
  }
  return values;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double variance_of_difference(const std::vector<double>& a, const std::vector<double>& b) {
  const double mean = mean_of(a) - mean_of(b);
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(a[i] - b[i] - mean, 2);
  return sum / static_cast<double>(a.size() - 1);
}

}  // namespace

const std::vector<std::string>& score_names() {
  static const std::vector<std::string> names = {
      "accuracy",          "balanced_accuracy", "macro_f1",
      "macro_precision",   "macro_recall",      "auc",
      "average_precision", "calibration_error", "brier"};
  return names;
}

Scores classification_scores(const Predictions& predictions, const std::vector<std::size_t>& rows,
                             AucFrom auc_from) {
  const Confusion figures = confusion_figures(predictions, rows);
  std::vector<std::vector<double>> probabilities;
  std::vector<std::size_t> labels;
  for (const std::size_t row : rows) {
    probabilities.push_back(predictions.probabilities[row]);
    labels.push_back(predictions.labels[row]);
  }
  return {figures.accuracy,
          figures.balanced_accuracy,
          figures.f1,
          figures.precision,
          figures.recall,
          area_under_roc(probabilities, labels, auc_from),
          mean_average_precision(predictions, rows),
          calibration_error(predictions, rows),
          brier_score(predictions, rows)};
}

double calibration_error_if_calibrated(const Predictions& predictions) {
  std::vector<double> confidences;
  for (std::size_t row = 0; row < predictions.size(); ++row) {
    confidences.push_back(confidence_of(predictions, row));
  }
  std::vector<bool> is_right(confidences.size());
  double sum = 0.0;
  for (std::uint32_t draw = 0; draw < kCalibrationDraws; ++draw) {
    const NoiseKey key{kCalibration, Stream::kShuffle, draw, 0};
    for (std::size_t i = 0; i < confidences.size(); ++i) {
      is_right[i] = uniform_number(key, static_cast<std::uint32_t>(i)) < confidences[i];
    }
    sum += binned_error(confidences, is_right);
  }
  return sum / kCalibrationDraws;
}

McNemar mcnemar_test(const Predictions& a, const Predictions& b) {
  McNemar test;
  for (std::size_t row = 0; row < a.size(); ++row) {
    const bool a_right = a.called(row) == a.labels[row], b_right = b.called(row) == b.labels[row];
    test.only_a += a_right && !b_right ? 1 : 0;
    test.only_b += b_right && !a_right ? 1 : 0;
  }
  test.p = choose_two_sided(std::min(test.only_a, test.only_b), test.only_a + test.only_b);
  return test;
}

DeLong delong_test(const std::vector<double>& a, const std::vector<double>& b,
                   const std::vector<bool>& positive) {
  const auto kind = [&](const std::vector<double>& scores, bool wanted) {
    std::vector<double> values;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (positive[i] == wanted) values.push_back(scores[i]);
    }
    return values;
  };
  const std::vector<double> a1 = kind(a, true), a0 = kind(a, false), b1 = kind(b, true),
                            b0 = kind(b, false);
  DeLong test;
  if (a1.size() < 2 || a0.size() < 2) return {kNotANumber, kNotANumber, kNotANumber, kNotANumber};
  const auto a10 = placements(a1, a0, true), a01 = placements(a0, a1, false);
  const auto b10 = placements(b1, b0, true), b01 = placements(b0, b1, false);
  test.auc_a = mean_of(a10);
  test.auc_b = mean_of(b10);
  const double variance = variance_of_difference(a10, b10) / static_cast<double>(a10.size()) +
                          variance_of_difference(a01, b01) / static_cast<double>(a01.size());
  test.standard_error = std::sqrt(variance);
  const double difference = std::abs(test.auc_a - test.auc_b);
  if (difference == 0) return test;
  test.p =
      variance > 0 ? std::erfc(difference / test.standard_error / std::sqrt(2.0)) : kNotANumber;
  return test;
}

}  // namespace echopath::evaluation
