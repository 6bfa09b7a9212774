#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "echopath/models/compatibility.hpp"

namespace echopath::evaluation {

/// What an inception score is computed from, gathered block by block in float64: Σ p and Σ p·log p
/// over rows of class probabilities. 0·log 0 is taken as 0.
class InceptionSums {
 public:
  explicit InceptionSums(std::int64_t classes);

  /// log_probabilities [N, classes], any floating type. Throws DataError on rows whose exponentials
  /// are no probabilities.
  void add(const at::Tensor& log_probabilities);

  /// What is left when the rows of `part`, which were added here too, are taken out again.
  InceptionSums without(const InceptionSums& part) const;

  /// exp of the mean divergence of the rows from their mean; not a number without rows.
  double score() const;

 private:
  at::Tensor probabilities_;
  double plogp_ = 0.0;
  std::int64_t rows_ = 0;
};

struct InceptionScoreOptions {
  std::int64_t splits = 10;
  /// Split i holds the rows from ⌊i·n/splits⌋ to ⌊(i+1)·n/splits⌋ − 1, where n is this number, or 0
  /// for the number of rows. StyleGAN-V has 50 000: splits without rows make its score not a number
  /// (up to 45 000 rows), and the last of the others may be short.
  std::int64_t split_denominator = 0;
  /// Splits of ⌈N/splits⌉ rows instead, as torch.chunk; the last may be short, and there may be
  /// fewer.
  bool chunks = false;
  std::int64_t ddof = 0;  ///< the deviation over the splits is divided by their number − ddof
};

/// The default options but for `inception_split_denominator`'s.
InceptionScoreOptions inception_score_options(const models::Compatibility& compatibility);

struct InceptionScore {
  double mean = 0.0;                ///< over the splits
  double standard_deviation = 0.0;  ///< over the splits; 0 for one
  std::vector<double> splits;
};

/// Inception score (Salimans et al. 2016): exp of the mean divergence of a split's class
/// probabilities from their mean. `log_probabilities` `[N, classes]`, in the order of the images:
/// nothing is shuffled, so neighbouring frames of a video share a split. Throws DataError on rows
/// that are no probabilities, and on fewer rows than splits.
InceptionScore inception_score(const at::Tensor& log_probabilities,
                               const InceptionScoreOptions& options = {});

}  // namespace echopath::evaluation
