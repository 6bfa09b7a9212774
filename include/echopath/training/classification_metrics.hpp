#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace echopath::training {

/// How well probabilities tell classes apart.
struct ClassificationMetrics {
  double accuracy = 0.0;
  double balanced_accuracy = 0.0;  ///< mean recall of the classes that occur
  double macro_f1 = 0.0;  ///< mean F1 of all classes; 0 for one that nothing is or is called
  /// Area under the ROC curve from the probabilities, never from hard labels: of class 1 where
  /// there are two, else the mean over the classes of each against the rest. Not a number where no
  /// class both occurs and lacks.
  double auc = 0.0;
};

/// probabilities [N, K] (or their logarithms: only their order counts), labels [N] in 0 … K−1; N at
/// least 1.
ClassificationMetrics classification_metrics(const at::Tensor& probabilities,
                                             const at::Tensor& labels);

/// Weights of K classes that make each count alike: N / (K · count), 1 on average over the N items.
/// `counts` must all be above 0.
std::vector<double> balanced_class_weights(const std::vector<std::int64_t>& counts);

/// Mean over the items of weight[label] · −log p[label]; log_probabilities [B, K, …], labels [B,
/// …]. Not divided by the weights' sum, so that an item counts the same in every micro-batch.
at::Tensor weighted_cross_entropy(const at::Tensor& log_probabilities, const at::Tensor& labels,
                                  const at::Tensor& weights);

/// 1 − mean over images and structures of (2 Σ p·g + 1) / (Σ p + Σ g + 1), the Dice coefficient of
/// probabilities (after Milletari et al., 2016), background (label 0) left out. probabilities
/// [N, K, H, W], labels [N, H, W]. Taken image by image, so that it does not depend on the batch.
at::Tensor dice_loss(const at::Tensor& probabilities, const at::Tensor& labels);

/// Dice coefficients 2 |A ∩ B| / (|A| + |B|) of label maps [N, H, W]: [N, K−1], of labels
/// 1 … K−1. Not a number where a label is in neither map.
at::Tensor dice_coefficients(const at::Tensor& predicted, const at::Tensor& labels,
                             std::int64_t classes);

}  // namespace echopath::training
