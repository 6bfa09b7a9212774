#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace echopath {

/// What the area under the ROC curve is taken from.
enum class AucFrom {
  kScores,  ///< every threshold on the scores
  kLabels,  ///< the predicted labels alone: one threshold, which for two classes gives the balanced
            ///< accuracy. EchoPath's published AUCs are of this kind.
};

/// Parses "scores" or "labels" (the compatibility key `auc_from`). Throws UsageError.
AucFrom parse_auc_from(const std::string& name);

/// Area under the ROC curve of `scores` for the rows marked in `positive` (ties count half): the
/// share of pairs of a positive and a negative row in which the positive one scores higher. Not a
/// number where one of the two kinds is missing.
double area_under_roc(const std::vector<double>& scores, const std::vector<bool>& positive);

/// Area under the ROC curve of `probabilities[row][class]` for the true classes `labels`, one class
/// against the rest, averaged over the classes that have rows of their own and of others; not a
/// number where there is none. For two classes it is the ordinary AUC.
double area_under_roc(const std::vector<std::vector<double>>& probabilities,
                      const std::vector<std::size_t>& labels, AucFrom from = AucFrom::kScores);

/// Average precision: Σ (recall_i − recall_{i−1})·precision_i over the falling thresholds, equal
/// scores taken together, as scikit-learn's. Not a number without positives.
double average_precision(const std::vector<double>& scores, const std::vector<bool>& positive);

/// The p-th percentile with linear interpolation between order statistics, as numpy's default.
/// `values` must not be empty.
double percentile(std::vector<double> values, double p);

/// A figure with the bounds of its interval.
struct Interval {
  double estimate = 0.0;
  double low = 0.0;
  double high = 0.0;
};

struct BootstrapOptions {
  std::int64_t resamples = 1000;
  double coverage = 0.95;
  std::uint64_t seed = 0;
};

/// Percentile interval of a figure by bootstrap over groups (Efron 1979; Field and Welsh 2007 for
/// groups): a resample draws as many groups as there are, with replacement, and takes all rows of
/// each as often as it was drawn. Rows of one patient are not independent, so `groups` names the
/// patient of every row. Draws depend on the seed alone. `figure` gets row numbers; resamples for
/// which it is not a number (an AUC with one class only) are left out, and where more than half
/// are, the bounds are not numbers.
Interval grouped_bootstrap(
    const std::vector<std::string>& groups,
    const std::function<double(const std::vector<std::size_t>& rows)>& figure,
    const BootstrapOptions& options = {});

/// The range of a figure, and how many independent units decide it.
struct FigureRange {
  double lowest = 0.0;
  double highest = 1.0;
  std::int64_t units = 0;  ///< 0: as many as there are groups
};

/// grouped_bootstrap() of a figure that lies in a range: a share, an AUC, the difference of two.
/// Where the resamples all agree (0 of N, or N of N) their percentiles would claim certainty. The
/// bounds are then those of Clopper and Pearson (1934): where N units were all alike, at most a
/// share 1 − (α/2)^(1/N) of others is not, and those may lie at either end of the range.
Interval bounded_bootstrap(
    const std::vector<std::string>& groups,
    const std::function<double(const std::vector<std::size_t>& rows)>& figure,
    const BootstrapOptions& options = {}, const FigureRange& range = {});

/// area_under_roc() with its interval over groups; where no resample differs, the units are the
/// groups of the rarer kind.
Interval area_under_roc_interval(const std::vector<double>& scores,
                                 const std::vector<bool>& positive,
                                 const std::vector<std::string>& groups,
                                 const BootstrapOptions& options = {});

}  // namespace echopath
