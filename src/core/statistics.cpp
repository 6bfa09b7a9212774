#include "echopath/core/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"

namespace echopath {
namespace {

constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
/// Sets the bootstrap's draws apart from others that start from the same seed.
constexpr std::uint64_t kBootstrap = 0x626F6F74;
/// Bounds that lie no farther apart differ by rounding alone.
constexpr double kNoSpread = 1e-12;

/// Row numbers by rising score.
std::vector<std::size_t> rising(const std::vector<double>& scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto i, auto j) { return scores[i] < scores[j]; });
  return order;
}

/// The rows of every group, in the order in which the groups come.
std::vector<std::vector<std::size_t>> rows_by_group(const std::vector<std::string>& groups) {
  std::map<std::string, std::size_t> numbers;
  std::vector<std::vector<std::size_t>> rows;
  for (std::size_t row = 0; row < groups.size(); ++row) {
    const auto [place, is_new] = numbers.try_emplace(groups[row], rows.size());
    if (is_new) rows.emplace_back();
    rows[place->second].push_back(row);
  }
  return rows;
}

/// How many groups have a row of this kind.
std::int64_t groups_with(const std::vector<std::string>& groups, const std::vector<bool>& positive,
                         bool wanted) {
  std::set<std::string> found;
  for (std::size_t row = 0; row < groups.size(); ++row) {
    if (positive[row] == wanted) found.insert(groups[row]);
  }
  return static_cast<std::int64_t>(found.size());
}

std::vector<std::size_t> resampled_rows(const std::vector<std::vector<std::size_t>>& groups,
                                        const NoiseKey& key) {
  std::vector<std::size_t> rows;
  const auto count = static_cast<std::int64_t>(groups.size());
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    const auto& drawn = groups[static_cast<std::size_t>(uniform_integer(key, count, i))];
    rows.insert(rows.end(), drawn.begin(), drawn.end());
  }
  return rows;
}

}  // namespace

AucFrom parse_auc_from(const std::string& name) {
  if (name == "scores") return AucFrom::kScores;
  if (name == "labels") return AucFrom::kLabels;
  throw UsageError("the AUC cannot be taken from '" + name + "'; use scores or labels");
}

double area_under_roc(const std::vector<double>& scores, const std::vector<bool>& positive) {
  const std::vector<std::size_t> order = rising(scores);
  double rank_sum = 0.0, positives = 0.0;
  for (std::size_t i = 0; i < order.size();) {
    std::size_t j = i;
    while (j < order.size() && scores[order[j]] == scores[order[i]]) ++j;
    const double mean_rank = 0.5 * static_cast<double>(i + 1 + j);
    for (std::size_t k = i; k < j; ++k) {
      if (positive[order[k]]) {
        rank_sum += mean_rank;
        positives += 1.0;
      }
    }
    i = j;
  }
  const double negatives = static_cast<double>(scores.size()) - positives;
  if (positives == 0 || negatives == 0) return kNotANumber;
  return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives);
}

double area_under_roc(const std::vector<std::vector<double>>& probabilities,
                      const std::vector<std::size_t>& labels, AucFrom from) {
  const std::size_t classes = probabilities.empty() ? 0 : probabilities.front().size();
  double sum = 0.0;
  int counted = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    std::vector<double> scores;
    std::vector<bool> positive;
    for (std::size_t row = 0; row < probabilities.size(); ++row) {
      const std::vector<double>& p = probabilities[row];
      const auto predicted =
          static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin());
      scores.push_back(from == AucFrom::kScores ? p.at(c) : (predicted == c ? 1.0 : 0.0));
      positive.push_back(labels.at(row) == c);
    }
    const double area = area_under_roc(scores, positive);
    if (std::isnan(area)) continue;
    sum += area;
    ++counted;
  }
  return counted == 0 ? kNotANumber : sum / counted;
}

double average_precision(const std::vector<double>& scores, const std::vector<bool>& positive) {
  std::vector<std::size_t> order = rising(scores);
  std::reverse(order.begin(), order.end());
  double sum = 0.0, taken = 0.0, found = 0.0;
  for (std::size_t i = 0; i < order.size();) {
    const double before = found;
    const double score = scores[order[i]];
    for (; i < order.size() && scores[order[i]] == score; ++i) {
      taken += 1.0;
      found += positive[order[i]] ? 1.0 : 0.0;
    }
    sum += (found - before) * found / taken;
  }
  return found == 0 ? kNotANumber : sum / found;
}

double percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  const double position = p / 100.0 * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(position);
  const std::size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (position - static_cast<double>(low)) * (values[high] - values[low]);
}

Interval grouped_bootstrap(
    const std::vector<std::string>& groups,
    const std::function<double(const std::vector<std::size_t>& rows)>& figure,
    const BootstrapOptions& options) {
  std::vector<std::size_t> all(groups.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  Interval interval{figure(all), kNotANumber, kNotANumber};
  const auto rows = rows_by_group(groups);
  const std::uint64_t seed = derived_seed(options.seed, kBootstrap);
  std::vector<double> values;
  for (std::int64_t i = 0; i < options.resamples; ++i) {
    const NoiseKey key{seed, Stream::kShuffle, static_cast<std::uint32_t>(i), 0};
    const double value = figure(resampled_rows(rows, key));
    if (!std::isnan(value)) values.push_back(value);
  }
  if (values.empty() || 2 * static_cast<std::int64_t>(values.size()) < options.resamples) {
    return interval;
  }
  interval.low = percentile(values, 50.0 * (1.0 - options.coverage));
  interval.high = percentile(values, 50.0 * (1.0 + options.coverage));
  return interval;
}

Interval bounded_bootstrap(
    const std::vector<std::string>& groups,
    const std::function<double(const std::vector<std::size_t>& rows)>& figure,
    const BootstrapOptions& options, const FigureRange& range) {
  Interval interval = grouped_bootstrap(groups, figure, options);
  // Bounds that are not numbers stay so.
  if (!(interval.high - interval.low <= kNoSpread)) return interval;
  const auto units =
      range.units > 0 ? range.units : static_cast<std::int64_t>(rows_by_group(groups).size());
  const double alike = std::pow((1.0 - options.coverage) / 2.0, 1.0 / static_cast<double>(units));
  interval.low = range.lowest + alike * (interval.estimate - range.lowest);
  interval.high = range.highest - alike * (range.highest - interval.estimate);
  return interval;
}

Interval area_under_roc_interval(const std::vector<double>& scores,
                                 const std::vector<bool>& positive,
                                 const std::vector<std::string>& groups,
                                 const BootstrapOptions& options) {
  const auto figure = [&](const std::vector<std::size_t>& rows) {
    std::vector<double> drawn_scores;
    std::vector<bool> drawn_positive;
    for (const std::size_t row : rows) {
      drawn_scores.push_back(scores[row]);
      drawn_positive.push_back(positive[row]);
    }
    return area_under_roc(drawn_scores, drawn_positive);
  };
  FigureRange range;
  range.units = std::max<std::int64_t>(
      1, std::min(groups_with(groups, positive, true), groups_with(groups, positive, false)));
  return bounded_bootstrap(groups, figure, options, range);
}

}  // namespace echopath
