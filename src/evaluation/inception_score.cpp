#include "echopath/evaluation/inception_score.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "echopath/core/errors.hpp"

namespace echopath::evaluation {
namespace {

/// How far a row's sum may lie from 1; probabilities may come in float32 or bfloat16.
constexpr double kSumTolerance = 1e-2;

void check(const at::Tensor& rows, const InceptionScoreOptions& options) {
  if (rows.dim() != 2) {
    throw DataError("class probabilities must be a table [images, classes]; these have " +
                    std::to_string(rows.dim()) + " dimensions");
  }
  const bool probabilities = rows.isfinite().all().item<bool>() && rows.ge(0).all().item<bool>() &&
                             (rows.sum(1) - 1).abs().le(kSumTolerance).all().item<bool>();
  if (!probabilities) {
    throw DataError(
        "the inception score needs class probabilities: rows of numbers from 0 that sum to 1; take "
        "the detector's output after its softmax");
  }
  if (options.split_denominator == 0 && rows.size(0) < options.splits) {
    throw DataError("an inception score over " + std::to_string(options.splits) +
                    " splits needs as many images; there are " + std::to_string(rows.size(0)));
  }
}

double score_of(const at::Tensor& rows) {
  if (rows.size(0) == 0) return std::numeric_limits<double>::quiet_NaN();
  const at::Tensor mean = rows.mean(0, /*keepdim=*/true);
  // xlogy(p, q) is p·log q, and 0 where p is.
  const at::Tensor divergence = (at::xlogy(rows, rows) - at::xlogy(rows, mean)).sum(1).mean();
  return std::exp(divergence.item<double>());
}

}  // namespace

InceptionScoreOptions inception_score_options(const models::Compatibility& compatibility) {
  InceptionScoreOptions options;
  if (compatibility.inception_split_denominator != "images") {
    options.split_denominator = std::stoll(compatibility.inception_split_denominator);
  }
  return options;
}

InceptionScore inception_score(const at::Tensor& probabilities,
                               const InceptionScoreOptions& options) {
  const at::Tensor rows = probabilities.detach().to(at::kCPU, at::kDouble);
  check(rows, options);
  const std::int64_t count = rows.size(0);
  const std::int64_t whole = options.split_denominator == 0 ? count : options.split_denominator;
  InceptionScore score;
  for (std::int64_t i = 0; i < options.splits; ++i) {
    const std::int64_t begin = std::min(count, i * whole / options.splits);
    const std::int64_t end = std::min(count, (i + 1) * whole / options.splits);
    score.splits.push_back(score_of(rows.slice(0, begin, end)));
  }
  const at::Tensor splits = at::tensor(score.splits, at::kDouble);
  score.mean = splits.mean().item<double>();
  score.standard_deviation = splits.std(/*dim=*/0, /*unbiased=*/false).item<double>();
  return score;
}

}  // namespace echopath::evaluation
