#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "echopath/evaluation/feature_table.hpp"

namespace echopath::evaluation {

/// Rows of one side dealt to folds. All rows of a patient are in one fold, because they are not
/// independent.
struct Folds {
  at::Tensor fold_of_row;          ///< [N] int64
  std::vector<std::int64_t> rows;  ///< of each fold

  std::int64_t count() const { return static_cast<std::int64_t>(rows.size()); }
};

/// Deals the patients of a table to at most `count` folds, in an order drawn by the seed, so that
/// folds have about equally many patients. One fold for each where there are fewer.
Folds make_folds(const FeatureTable& table, std::int64_t count, std::uint64_t seed);

/// What the figure becomes when one fold of a side is left out.
struct LeftOut {
  std::vector<double> values;      ///< by fold
  std::vector<std::int64_t> rows;  ///< of each fold
};

/// Delete-a-group jackknife (Quenouille, 1956; Busing et al., 1999, for folds of different sizes).
/// A bootstrap of a Fréchet distance, an inception score or a kernel distance has an upward bias on
/// top of that of the figure itself, since its samples repeat rows; leaving rows out has not, and
/// measures the bias in 1/N, which `corrected` is free of. Each side brings its own bias and
/// variance; the interval is `corrected` (or, with `centre_corrected` false, the value) ± Student's
/// t times the standard error, for figures that approach no limit with 1/N. A side may be empty (a
/// figure of one side alone); with fewer than two folds on any other there is no interval.
Estimate jackknife(double value, const std::vector<LeftOut>& sides, double coverage = 0.95,
                   bool centre_corrected = true);

/// Of a figure that is not below `lowest`: its corrected figure is cut there, and the interval
/// reaches as far from what is left as it did before, and not below `lowest` either.
void cut_at(Estimate& estimate, double lowest);

/// Student's t quantile of p in (0.5, 1), to 1e-3 from three degrees of freedom on (Cornish-Fisher
/// expansion, Abramowitz and Stegun 26.7.5; exact for one and two).
double student_quantile(double p, std::int64_t degrees);

}  // namespace echopath::evaluation
