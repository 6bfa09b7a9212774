#include <algorithm>
#include <cmath>

#include "echopath/core/random.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"
#include "evaluation/metric_checks.hpp"

namespace echopath::evaluation {
namespace {

/// Rows of one side that meet rows of the other at once.
constexpr std::int64_t kBlock = 1024;

/// (x·y/D + 1)³ of all rows, [N, M].
at::Tensor kernel(const at::Tensor& x, const at::Tensor& y) {
  return x.mm(y.t()).div_(static_cast<double>(x.size(1))).add_(1.0).pow_(3);
}

at::Tensor one_hot(const Folds& folds) {
  const std::int64_t count = std::max<std::int64_t>(folds.count(), 1);
  return at::zeros({folds.fold_of_row.size(0), count}, at::kDouble)
      .scatter_(1, folds.fold_of_row.unsqueeze(1), 1.0);
}

/// Sums of the kernel over the rows of every pair of folds, [folds of x, folds of y].
at::Tensor fold_sums(const at::Tensor& x, const at::Tensor& x_folds, const at::Tensor& y,
                     const at::Tensor& y_folds) {
  at::Tensor sums = at::zeros({x_folds.size(1), y_folds.size(1)}, at::kDouble);
  for (std::int64_t i = 0; i < x.size(0); i += kBlock) {
    const at::Tensor rows = x.slice(0, i, i + kBlock).to(at::kDouble);
    at::Tensor across = at::zeros({rows.size(0), y_folds.size(1)}, at::kDouble);
    for (std::int64_t j = 0; j < y.size(0); j += kBlock) {
      across += kernel(rows, y.slice(0, j, j + kBlock).to(at::kDouble))
                    .mm(y_folds.slice(0, j, j + kBlock));
    }
    sums += x_folds.slice(0, i, i + kBlock).t().mm(across);
  }
  return sums;
}

/// The kernel of each row with itself, summed by fold.
at::Tensor diagonal_sums(const at::Tensor& x, const at::Tensor& x_folds) {
  at::Tensor sums = at::zeros({x_folds.size(1)}, at::kDouble);
  for (std::int64_t i = 0; i < x.size(0); i += kBlock) {
    const at::Tensor rows = x.slice(0, i, i + kBlock).to(at::kDouble);
    const at::Tensor own = rows.square().sum(1).div(static_cast<double>(x.size(1))).add(1).pow(3);
    sums += x_folds.slice(0, i, i + kBlock).t().mv(own);
  }
  return sums;
}

/// The sums of a comparison, from which that without one fold follows by subtraction.
struct Sums {
  at::Tensor real, synthetic, across;    ///< [G, G], [H, H], [G, H]; the first two without i = j
  at::Tensor real_rows, synthetic_rows;  ///< rows by fold, [G], [H], float64

  /// Unbiased squared discrepancy of the folds with weight 1.
  double discrepancy(const at::Tensor& keep_real, const at::Tensor& keep_synthetic) const {
    const double n = keep_real.dot(real_rows).item<double>();
    const double m = keep_synthetic.dot(synthetic_rows).item<double>();
    const double within_real = keep_real.dot(real.mv(keep_real)).item<double>();
    const double within_synthetic = keep_synthetic.dot(synthetic.mv(keep_synthetic)).item<double>();
    const double between = keep_real.dot(across.mv(keep_synthetic)).item<double>();
    return within_real / (n * (n - 1)) + within_synthetic / (m * (m - 1)) - 2 * between / (n * m);
  }
};

Sums sums_of(const at::Tensor& real, const Folds& real_folds, const at::Tensor& synthetic,
             const Folds& synthetic_folds) {
  const at::Tensor g = one_hot(real_folds), h = one_hot(synthetic_folds);
  Sums sums;
  sums.real = fold_sums(real, g, real, g) - at::diag(diagonal_sums(real, g));
  sums.synthetic = fold_sums(synthetic, h, synthetic, h) - at::diag(diagonal_sums(synthetic, h));
  sums.across = fold_sums(real, g, synthetic, h);
  sums.real_rows = g.sum(0);
  sums.synthetic_rows = h.sum(0);
  return sums;
}

LeftOut leave_out(const Folds& folds, const std::function<double(const at::Tensor& keep)>& value) {
  LeftOut result;
  result.rows = folds.rows;
  for (std::int64_t fold = 0; fold < folds.count(); ++fold) {
    at::Tensor keep = at::ones({folds.count()}, at::kDouble);
    keep[fold] = 0.0;
    result.values.push_back(value(keep));
  }
  return result;
}

double whole_discrepancy(const at::Tensor& x, const at::Tensor& y) {
  const auto one_fold = [](const at::Tensor& rows) {
    return Folds{at::zeros({rows.size(0)}, at::kLong), {rows.size(0)}};
  };
  const at::Tensor all = at::ones({1}, at::kDouble);
  return sums_of(x, one_fold(x), y, one_fold(y)).discrepancy(all, all);
}

/// Draws subsets of rows in a tool's way.
class SubsetDraw {
 public:
  SubsetDraw(const MetricProtocol& protocol, std::uint64_t seed)
      : numpy_(2020), like_numpy_(protocol.kid_order == "numpy"), seed_(seed) {}

  at::Tensor rows(const at::Tensor& table, std::int64_t size) {
    auto order = like_numpy_ ? numpy_.permutation(table.size(0))
                             : permutation({seed_, Stream::kShuffle, ++draws_, 1}, table.size(0));
    order.resize(static_cast<std::size_t>(size));
    return table.index_select(0, at::tensor(order, at::kLong));
  }

 private:
  NumpyRandom numpy_;
  bool like_numpy_;
  std::uint64_t seed_;
  std::uint32_t draws_ = 0;
};

/// Mean and deviation over random subsets.
void over_subsets(MetricValue& metric, const at::Tensor& real, const at::Tensor& synthetic,
                  const MetricProtocol& protocol, std::uint64_t seed) {
  const std::int64_t least = std::min(real.size(0), synthetic.size(0));
  const std::int64_t size = std::min(protocol.kid_subset_size, least);
  if (size < protocol.kid_subset_size) {
    metric.warnings.push_back("subsets of " + std::to_string(size) + " rows instead of " +
                              std::to_string(protocol.kid_subset_size) + ": there are no more");
  }
  SubsetDraw draw(protocol, seed);
  std::vector<double> values;
  for (std::int64_t i = 0; i < protocol.kid_subsets; ++i) {
    // The synthetic side is torch-fidelity's first input.
    const at::Tensor first = draw.rows(synthetic, size);
    values.push_back(whole_discrepancy(draw.rows(real, size), first));
  }
  const at::Tensor all = at::tensor(values, at::kDouble);
  metric.estimate.value = all.mean().item<double>();
  metric.spread = all.std(0, /*unbiased=*/false).item<double>();
}

}  // namespace

MetricValue kernel_metric(const FeatureTable& real_rows, const FeatureTable& synthetic_rows,
                          const MetricProtocol& protocol, const IntervalOptions& options) {
  require_comparable(real_rows, synthetic_rows, "a kernel distance");
  const FeatureTable real = real_rows.spread(protocol.pair_rows);
  const FeatureTable synthetic = synthetic_rows.spread(protocol.pair_rows);
  const Folds real_folds = make_folds(real, std::max<std::int64_t>(options.folds, 1), options.seed);
  const Folds synthetic_folds =
      make_folds(synthetic, std::max<std::int64_t>(options.folds, 1), options.seed);
  const Sums sums = sums_of(real.features, real_folds, synthetic.features, synthetic_folds);
  const at::Tensor all_real = at::ones({real_folds.count()}, at::kDouble);
  const at::Tensor all_synthetic = at::ones({synthetic_folds.count()}, at::kDouble);
  std::vector<LeftOut> left_out;
  left_out.push_back(leave_out(
      real_folds, [&](const at::Tensor& keep) { return sums.discrepancy(keep, all_synthetic); }));
  left_out.push_back(leave_out(
      synthetic_folds, [&](const at::Tensor& keep) { return sums.discrepancy(all_real, keep); }));
  MetricValue metric;
  metric.metric = "kernel distance";
  metric.estimate =
      jackknife(sums.discrepancy(all_real, all_synthetic), left_out, options.coverage);
  for (const LeftOut& side : left_out) {
    // One row left: no discrepancy within it.
    for (const double value : side.values) {
      if (!std::isfinite(value)) metric.estimate.has_interval = false;
    }
  }
  if (protocol.kid_subsets > 0) {
    over_subsets(metric, real.features, synthetic.features, protocol, options.seed);
  }
  require_finite(metric, real, synthetic);
  return metric;
}

}  // namespace echopath::evaluation
