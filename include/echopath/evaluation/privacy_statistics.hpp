#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/core/statistics.hpp"

namespace echopath::evaluation {

struct AuditStatisticsOptions {
  double false_positive_rate = 0.05;  ///< of the memorisation threshold
  double membership_rate = 0.01;      ///< false positives at which membership inference is told
  std::int64_t neighbours = 5;        ///< k of the coverage
  std::int64_t draws = 20;            ///< of training and held-out subsets of one size
  std::uint64_t seed = 0;
  std::int64_t resamples = 1000;  ///< of the bootstrap
};

/// A threshold, and how often one more value of the same kind lies above it.
struct ConformalThreshold {
  double value = 0.0;
  double expected_rate = 0.0;  ///< at most, on average over the values that it is taken from
};

/// The k-th smallest of n values, k = ⌈(1 − rate)(n + 1)⌉ (Vovk, Gammerman and Shafer 2005; split
/// conformal prediction): one more value that could change places with any of them lies above it,
/// not only at it, with a probability of at most (n + 1 − k)/(n + 1) ≤ `rate`. Where k is over n
/// (n < 1/rate − 1) no threshold from n values keeps the rate: the largest is taken, above which
/// one in n + 1 is expected. `values` must not be empty.
ConformalThreshold conformal_threshold(std::vector<double> values, double rate);

/// The largest share of positive rows that a threshold on the scores takes in without taking in
/// more than `false_positive_rate` of the others; with fewer than 1/rate of these, without a single
/// one. Not a number where one of the two kinds is missing.
double true_positive_rate_at(const std::vector<double>& scores, const std::vector<bool>& positive,
                             double false_positive_rate);

/// What true_positive_rate_at() is on average where scores tell nothing: the share of positive rows
/// above the (⌊rate · n⌋ + 1)-th largest of n others, (⌊rate · n⌋ + 1)/(n + 1).
double chance_true_positive_rate(std::int64_t others, double false_positive_rate);

/// The fewest others of which one may be a false alarm, ⌈1/rate⌉. Of fewer, the threshold of
/// true_positive_rate_at() is the largest; no resample has a larger one, so that a bootstrap of the
/// rate is biased upwards.
std::int64_t least_others_for_interval(double false_positive_rate);

/// An attack that tells training items from held-out ones by a score.
struct MembershipInference {
  Interval auc;  ///< 0.5: no better than guessing
  /// At `false_positive_rate`; chance_true_positive_rate() is that of guessing. The bounds are not
  /// numbers where has_too_few_others().
  Interval true_positive_rate;
  double false_positive_rate = 0.01;
  std::int64_t members = 0;
  std::int64_t non_members = 0;

  /// Fewer non-members than least_others_for_interval().
  bool has_too_few_others() const;
  config::Json to_json() const;
};

/// Higher scores say "member". Intervals are over patients.
MembershipInference membership_inference(const std::vector<double>& members,
                                         const std::vector<std::string>& member_patients,
                                         const std::vector<double>& non_members,
                                         const std::vector<std::string>& non_member_patients,
                                         const AuditStatisticsOptions& options);

/// The figures of one level. Intervals are by bootstrap; where no resample differs (0 of N), by
/// bounded_bootstrap()'s bounds at N samples or patients.
struct LevelAudit {
  double threshold = 0.0;        ///< conformal_threshold() of the calibrating held-out items
  std::int64_t calibrating = 0;  ///< how many these are
  double expected_rate = 0.0;    ///< share of unseen real items above the threshold, at most
  /// Memorisation rate by sample: share of synthetic items whose largest similarity to a training
  /// item is above the threshold. Interval over synthetic items and held-out patients.
  Interval flagged_samples;
  /// Memorisation rate by patient: share of training patients that are the nearest of at least one
  /// flagged synthetic item. Interval over patients.
  Interval flagged_patients;
  double flagged_patients_by_chance = 0.0;  ///< at most, expected of `expected_rate` alone
  double calibration_rate = 0.0;  ///< flagged share of the held-out items the threshold is from
  std::optional<Interval> check_rate;  ///< and of the held-out items that it is not from
  /// Share of synthetic items nearer to a training item than to any held-out one, both sets drawn
  /// to as many patients; 0.5 where training left no mark.
  Interval nearer_to_training;
  double median_ratio = 0.0;  ///< of the distances to training and held-out items; 1: no mark
  /// Share of synthetic items farther from their nearest training item than that is from the
  /// training items of other patients (Alaa et al. 2022), and the same of held-out items.
  Interval authenticity;
  double held_out_authenticity = 0.0;
  /// Share of training patients within whose ball (to the k-th nearest other training item) a
  /// synthetic item lies (Naeem et al. 2020), and the same with held-out items for synthetic ones:
  /// expected of as many items on both sides, drawn without replacement from the larger.
  Interval coverage;
  double held_out_coverage = 0.0;
  MembershipInference membership;  ///< score: largest similarity to a synthetic item

  std::vector<double> similarity;     ///< of each synthetic item to its nearest training item
  std::vector<std::int64_t> nearest;  ///< that item
  std::vector<bool> flagged;
  std::vector<double> held_out_similarity;  ///< of each held-out item to its nearest training item

  config::Json to_json() const;
};

}  // namespace echopath::evaluation
