#include "echopath/evaluation/inception_score.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "echopath/core/errors.hpp"
#include "evaluation/probability_rows.hpp"

namespace echopath::evaluation {
namespace {

/// Rows that are converted to float64 at once.
constexpr std::int64_t kBlock = 4096;

void check(const at::Tensor& rows, const InceptionScoreOptions& options) {
  if (rows.dim() != 2) {
    throw DataError("class probabilities must be a table [images, classes]; these have " +
                    std::to_string(rows.dim()) + " dimensions");
  }
  if (rows.size(0) < options.splits) {
    throw DataError("an inception score over " + std::to_string(options.splits) +
                    " parts needs as many frames; there are " + std::to_string(rows.size(0)));
  }
}

/// First and last row (behind it) of each split.
std::vector<std::pair<std::int64_t, std::int64_t>> splits_of(std::int64_t rows,
                                                             const InceptionScoreOptions& options) {
  std::vector<std::pair<std::int64_t, std::int64_t>> splits;
  if (options.chunks) {
    const std::int64_t size = (rows + options.splits - 1) / options.splits;
    for (std::int64_t i = 0; i < rows; i += size) splits.emplace_back(i, std::min(rows, i + size));
    return splits;
  }
  const std::int64_t whole = options.split_denominator == 0 ? rows : options.split_denominator;
  for (std::int64_t i = 0; i < options.splits; ++i) {
    splits.emplace_back(std::min(rows, i * whole / options.splits),
                        std::min(rows, (i + 1) * whole / options.splits));
  }
  return splits;
}

}  // namespace

InceptionSums::InceptionSums(std::int64_t classes)
    : probabilities_(at::zeros({classes}, at::kDouble)) {}

void InceptionSums::add(const at::Tensor& log_probabilities) {
  for (std::int64_t begin = 0; begin < log_probabilities.size(0); begin += kBlock) {
    const at::Tensor logs =
        log_probabilities.slice(0, begin, begin + kBlock).detach().to(at::kCPU, at::kDouble);
    const at::Tensor p = logs.exp();
    if (improbable_rows(p).any().item<bool>()) {
      throw DataError(
          "the inception score needs class probabilities: rows of numbers from 0 to 1 with the sum "
          "1; take the detector's output after its softmax");
    }
    probabilities_ += p.sum(0);
    plogp_ += (p * logs).where(p > 0, at::zeros({}, at::kDouble)).sum().item<double>();
    rows_ += logs.size(0);
  }
}

InceptionSums InceptionSums::without(const InceptionSums& part) const {
  InceptionSums rest(probabilities_.size(0));
  // Rounding must not leave less than nothing of a class that only `part` has.
  rest.probabilities_ = (probabilities_ - part.probabilities_).clamp_min(0);
  rest.plogp_ = plogp_ - part.plogp_;
  rest.rows_ = rows_ - part.rows_;
  return rest;
}

double InceptionSums::score() const {
  const auto n = static_cast<double>(rows_);
  const at::Tensor mean = probabilities_ / n;
  // xlogy(p, q) is p·log q, and 0 where p is.
  return std::exp(plogp_ / n - at::xlogy(mean, mean).sum().item<double>());
}

InceptionScoreOptions inception_score_options(const models::Compatibility& compatibility) {
  InceptionScoreOptions options;
  if (compatibility.inception_split_denominator != "images") {
    options.split_denominator = std::stoll(compatibility.inception_split_denominator);
  }
  return options;
}

InceptionScore inception_score(const at::Tensor& log_probabilities,
                               const InceptionScoreOptions& options) {
  check(log_probabilities, options);
  InceptionScore score;
  for (const auto& [begin, end] : splits_of(log_probabilities.size(0), options)) {
    InceptionSums sums(log_probabilities.size(1));
    sums.add(log_probabilities.slice(0, begin, end));
    score.splits.push_back(sums.score());
  }
  const at::Tensor splits = at::tensor(score.splits, at::kDouble);
  score.mean = splits.mean().item<double>();
  if (score.splits.size() > 1) {
    score.standard_deviation = splits.std(/*dim=*/0, options.ddof == 1).item<double>();
  }
  return score;
}

}  // namespace echopath::evaluation
