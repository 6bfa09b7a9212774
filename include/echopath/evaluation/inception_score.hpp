#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "echopath/models/compatibility.hpp"

namespace echopath::evaluation {

struct InceptionScoreOptions {
  std::int64_t splits = 10;
  /// Split i holds the rows from ⌊i·n/splits⌋ to ⌊(i+1)·n/splits⌋ − 1, where n is this number, or 0
  /// for the number of rows. StyleGAN-V has 50 000: splits without rows make its score not a number
  /// (up to 45 000 rows), and the last of the others may be short.
  std::int64_t split_denominator = 0;
};

/// The default options but for `inception_split_denominator`'s.
InceptionScoreOptions inception_score_options(const models::Compatibility& compatibility);

struct InceptionScore {
  double mean = 0.0;                ///< over the splits
  double standard_deviation = 0.0;  ///< over the splits, divisor their number (numpy's ddof 0)
  std::vector<double> splits;
};

/// Inception score (Salimans et al. 2016): exp of the mean divergence of a split's class
/// probabilities from their mean. `probabilities` `[N, classes]`, rows that sum to 1, in the order
/// of the images: nothing is shuffled, so neighbouring frames of a video share a split. Computed in
/// float64, 0·log 0 taken as 0. Throws DataError on rows that are no probabilities, and, where the
/// denominator is the number of rows, on fewer rows than splits.
InceptionScore inception_score(const at::Tensor& probabilities,
                               const InceptionScoreOptions& options = {});

}  // namespace echopath::evaluation
