#include "echopath/evaluation/jackknife.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <unordered_map>

#include "echopath/core/random.hpp"

namespace echopath::evaluation {
namespace {

/// Normal quantile of p in (0.5, 1) by bisection of erfc, to rounding.
double normal_quantile(double p) {
  double low = 0.0, high = 40.0;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::numbers::sqrt2) < p ? low : high) = middle;
  }
  return (low + high) / 2;
}

struct Side {
  double bias = 0.0;
  double variance = 0.0;
};

Side side_of(double value, const LeftOut& left_out) {
  const auto folds = static_cast<double>(left_out.values.size());
  const double total = static_cast<double>(
      std::accumulate(left_out.rows.begin(), left_out.rows.end(), std::int64_t{0}));
  double corrected = folds * value;
  for (std::size_t g = 0; g < left_out.values.size(); ++g) {
    corrected -= (1.0 - static_cast<double>(left_out.rows[g]) / total) * left_out.values[g];
  }
  Side side;
  side.bias = value - corrected;
  for (std::size_t g = 0; g < left_out.values.size(); ++g) {
    const double h = total / static_cast<double>(left_out.rows[g]);
    const double pseudo = h * value - (h - 1.0) * left_out.values[g];
    side.variance += (pseudo - corrected) * (pseudo - corrected) / (h - 1.0) / folds;
  }
  return side;
}

}  // namespace

double student_quantile(double p, std::int64_t degrees) {
  const auto v = static_cast<double>(degrees);
  if (degrees == 1) return std::tan(std::numbers::pi * (p - 0.5));
  if (degrees == 2) return (2 * p - 1) * std::sqrt(2 / (4 * p * (1 - p)));
  const double z = normal_quantile(p);
  const double z2 = z * z;
  const double g1 = (z2 + 1) * z / 4;
  const double g2 = ((5 * z2 + 16) * z2 + 3) * z / 96;
  const double g3 = (((3 * z2 + 19) * z2 + 17) * z2 - 15) * z / 384;
  const double g4 = ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) * z / 92160;
  return z + g1 / v + g2 / (v * v) + g3 / (v * v * v) + g4 / (v * v * v * v);
}

Folds make_folds(const FeatureTable& table, std::int64_t count, std::uint64_t seed) {
  std::unordered_map<std::string, std::int64_t> patient_index;
  std::vector<std::int64_t> patient_of_video;
  for (const VideoRows& video : table.videos) {
    const auto next = static_cast<std::int64_t>(patient_index.size());
    patient_of_video.push_back(patient_index.emplace(video.patient, next).first->second);
  }
  const auto patients = static_cast<std::int64_t>(patient_index.size());
  const std::int64_t folds = std::min(count, patients);
  Folds result;
  result.rows.assign(static_cast<std::size_t>(folds), 0);
  result.fold_of_row = at::zeros({table.rows()}, at::kLong);
  if (folds == 0) return result;
  const auto order = permutation({seed, Stream::kShuffle}, patients);
  for (std::size_t i = 0; i < table.videos.size(); ++i) {
    const VideoRows& video = table.videos[i];
    const std::int64_t fold = order[static_cast<std::size_t>(patient_of_video[i])] % folds;
    result.fold_of_row.slice(0, video.begin, video.end).fill_(fold);
    result.rows[static_cast<std::size_t>(fold)] += video.count();
  }
  return result;
}

Estimate jackknife(double value, const std::vector<LeftOut>& sides, double coverage,
                   bool centre_corrected) {
  Estimate estimate;
  estimate.value = estimate.corrected = estimate.low = estimate.high = value;
  double bias = 0.0, variance = 0.0;
  std::int64_t degrees = 0;
  for (const LeftOut& left_out : sides) {
    const auto folds = static_cast<std::int64_t>(left_out.values.size());
    if (folds < 2) return estimate;
    const Side side = side_of(value, left_out);
    bias += side.bias;
    variance += side.variance;
    degrees = degrees == 0 ? folds - 1 : std::min(degrees, folds - 1);
  }
  if (degrees == 0) return estimate;
  estimate.corrected = value - bias;
  estimate.deviation = std::sqrt(variance);
  const double centre = centre_corrected ? estimate.corrected : value;
  const double reach = student_quantile((1 + coverage) / 2, degrees) * estimate.deviation;
  estimate.low = centre - reach;
  estimate.high = centre + reach;
  estimate.has_interval = true;
  return estimate;
}

void cut_at(Estimate& estimate, double lowest) {
  if (!estimate.has_interval) return;
  const double reach = estimate.high - estimate.corrected;
  estimate.corrected = std::max(estimate.corrected, lowest);
  estimate.low = std::max(estimate.corrected - reach, lowest);
  estimate.high = estimate.corrected + reach;
}

}  // namespace echopath::evaluation
