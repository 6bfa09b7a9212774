#include "echopath/training/classification_metrics.hpp"

#include <numeric>

#include "echopath/core/statistics.hpp"

namespace echopath::training {
namespace {

/// confusion[i][j]: items of class i that were called j.
std::vector<std::vector<double>> confusion_of(const at::Tensor& called, const at::Tensor& labels,
                                              std::size_t classes) {
  std::vector<std::vector<double>> confusion(classes, std::vector<double>(classes, 0.0));
  for (std::int64_t i = 0; i < labels.size(0); ++i) {
    const auto truth = static_cast<std::size_t>(labels[i].item<std::int64_t>());
    confusion[truth][static_cast<std::size_t>(called[i].item<std::int64_t>())] += 1.0;
  }
  return confusion;
}

double auc_of(const at::Tensor& probabilities, const at::Tensor& labels) {
  std::vector<std::vector<double>> rows;
  std::vector<std::size_t> truth;
  for (std::int64_t i = 0; i < labels.size(0); ++i) {
    const at::Tensor row = probabilities[i].to(at::kDouble).contiguous();
    rows.emplace_back(row.const_data_ptr<double>(), row.const_data_ptr<double>() + row.numel());
    truth.push_back(static_cast<std::size_t>(labels[i].item<std::int64_t>()));
  }
  return area_under_roc(rows, truth);
}

}  // namespace

ClassificationMetrics classification_metrics(const at::Tensor& probabilities,
                                             const at::Tensor& labels) {
  const auto classes = static_cast<std::size_t>(probabilities.size(1));
  const auto confusion = confusion_of(probabilities.argmax(1), labels, classes);
  ClassificationMetrics metrics;
  double right = 0.0, recalls = 0.0, occurring = 0.0;
  for (std::size_t k = 0; k < classes; ++k) {
    const double hits = confusion[k][k];
    const double truly = std::accumulate(confusion[k].begin(), confusion[k].end(), 0.0);
    double called = 0.0;
    for (std::size_t i = 0; i < classes; ++i) called += confusion[i][k];
    right += hits;
    if (truly > 0) {
      recalls += hits / truly;
      occurring += 1.0;
    }
    if (truly + called > 0) {
      metrics.macro_f1 += 2.0 * hits / (truly + called) / static_cast<double>(classes);
    }
  }
  metrics.accuracy = right / static_cast<double>(labels.size(0));
  metrics.balanced_accuracy = recalls / occurring;
  metrics.auc = auc_of(probabilities, labels);
  return metrics;
}

std::vector<double> balanced_class_weights(const std::vector<std::int64_t>& counts) {
  const auto total =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  std::vector<double> weights;
  for (const std::int64_t count : counts) {
    weights.push_back(total / (static_cast<double>(counts.size()) * static_cast<double>(count)));
  }
  return weights;
}

at::Tensor weighted_cross_entropy(const at::Tensor& log_probabilities, const at::Tensor& labels,
                                  const at::Tensor& weights) {
  const at::Tensor chosen =
      log_probabilities.gather(1, labels.unsqueeze(1)).squeeze(1) * weights.index({labels});
  return -chosen.mean();
}

at::Tensor dice_loss(const at::Tensor& probabilities, const at::Tensor& labels) {
  constexpr double kSmoothing = 1.0;
  const std::int64_t classes = probabilities.size(1);
  // [N, K−1, H, W]
  const at::Tensor truth = at::one_hot(labels, classes)
                               .permute({0, 3, 1, 2})
                               .slice(1, 1)
                               .to(probabilities.scalar_type());
  const at::Tensor guess = probabilities.slice(1, 1);
  const at::Tensor overlap = (guess * truth).sum({2, 3});
  const at::Tensor total = guess.sum({2, 3}) + truth.sum({2, 3});
  return 1.0 - ((2.0 * overlap + kSmoothing) / (total + kSmoothing)).mean();
}

at::Tensor dice_coefficients(const at::Tensor& predicted, const at::Tensor& labels,
                             std::int64_t classes) {
  std::vector<at::Tensor> columns;
  for (std::int64_t label = 1; label < classes; ++label) {
    const at::Tensor a = predicted == label, b = labels == label;
    const at::Tensor overlap = (a & b).sum({1, 2}).to(at::kDouble);
    const at::Tensor total = (a.sum({1, 2}) + b.sum({1, 2})).to(at::kDouble);
    columns.push_back(2.0 * overlap / total);  // 0 / 0 is not a number
  }
  return at::stack(columns, 1);
}

}  // namespace echopath::training
