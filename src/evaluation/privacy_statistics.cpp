#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "echopath/evaluation/audit_level.hpp"
#include "echopath/evaluation/class_figures.hpp"

namespace echopath::evaluation {
namespace {

/// Sets these draws apart from others that start from the same seed.
constexpr std::uint64_t kSubsets = 0x73756273;

/// A whole number, such as 0.95 · 20 or 0.29 · 100, must not become the next or the one before.
constexpr double kRounding = 1e-9;

std::vector<double> numbers_of(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kDouble).contiguous();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

at::Tensor distance(const at::Tensor& similarity) {
  return (2.0 * (1.0 - similarity)).clamp_min(0.0).sqrt();
}

/// Items by patient, in the order in which the patients come.
struct Patients {
  explicit Patients(const std::vector<std::string>& names) {
    std::map<std::string, std::size_t> numbers;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto [place, is_new] = numbers.try_emplace(names[i], items.size());
      if (is_new) items.emplace_back();
      items[place->second].push_back(static_cast<std::int64_t>(i));
      of_item.push_back(place->second);
    }
  }
  std::vector<std::vector<std::int64_t>> items;
  std::vector<std::size_t> of_item;
};

/// The items of `count` patients, drawn without replacement.
at::Tensor drawn_items(const Patients& patients, std::int64_t count, const NoiseKey& key) {
  const auto order = permutation(key, static_cast<std::int64_t>(patients.items.size()));
  std::vector<std::int64_t> items;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto& chosen =
        patients.items[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])];
    items.insert(items.end(), chosen.begin(), chosen.end());
  }
  return at::tensor(items, at::kLong);
}

BootstrapOptions bootstrap_of(const AuditStatisticsOptions& options) {
  BootstrapOptions bootstrap;
  bootstrap.resamples = options.resamples;
  bootstrap.seed = options.seed;
  return bootstrap;
}

/// Mean of `values` from 0 to 1 with its interval over groups.
Interval mean_over(const std::vector<double>& values, const std::vector<std::string>& groups,
                   const AuditStatisticsOptions& options) {
  const auto mean = [&](const std::vector<std::size_t>& rows) {
    double sum = 0.0;
    for (const std::size_t row : rows) sum += values[row];
    return sum / static_cast<double>(rows.size());
  };
  return bounded_bootstrap(groups, mean, bootstrap_of(options));
}

std::vector<std::string> each_its_own(std::size_t count) {
  std::vector<std::string> groups;
  for (std::size_t i = 0; i < count; ++i) groups.push_back("sample " + std::to_string(i));
  return groups;
}

double share_above(const std::vector<double>& values, double threshold) {
  const auto over =
      std::count_if(values.begin(), values.end(), [&](double value) { return value > threshold; });
  return static_cast<double>(over) / static_cast<double>(values.size());
}

/// Share of flagged samples, the threshold taken anew in every resample.
Interval flagged_samples(const std::vector<double>& synthetic,
                         const std::vector<double>& calibrating,
                         const std::vector<std::string>& calibrating_patients,
                         const AuditStatisticsOptions& options) {
  std::vector<std::string> groups = each_its_own(synthetic.size());
  for (const std::string& patient : calibrating_patients) groups.push_back("patient " + patient);
  const auto rate = [&](const std::vector<std::size_t>& rows) {
    std::vector<double> scores, held_out;
    for (const std::size_t row : rows) {
      if (row < synthetic.size()) {
        scores.push_back(synthetic[row]);
      } else {
        held_out.push_back(calibrating[row - synthetic.size()]);
      }
    }
    if (scores.empty() || held_out.empty()) return std::nan("");
    return share_above(scores, conformal_threshold(held_out, options.false_positive_rate).value);
  };
  FigureRange range;
  range.units = static_cast<std::int64_t>(synthetic.size());
  return bounded_bootstrap(groups, rate, bootstrap_of(options), range);
}

void audit_memorisation(const AuditSimilarities& given, const AuditStatisticsOptions& options,
                        LevelAudit& audit) {
  std::vector<double> calibrating, checking;
  std::vector<std::string> calibrating_patients, checking_patients;
  for (std::size_t i = 0; i < given.calibrates.size(); ++i) {
    const bool calibrates = given.calibrates[i];
    (calibrates ? calibrating : checking).push_back(audit.held_out_similarity[i]);
    (calibrates ? calibrating_patients : checking_patients).push_back(given.held_out_patients[i]);
  }
  const ConformalThreshold threshold =
      conformal_threshold(calibrating, options.false_positive_rate);
  audit.threshold = threshold.value;
  audit.calibrating = static_cast<std::int64_t>(calibrating.size());
  audit.expected_rate = threshold.expected_rate;
  audit.calibration_rate = share_above(calibrating, audit.threshold);
  if (!checking.empty()) {
    std::vector<double> over;
    for (const double value : checking) over.push_back(value > audit.threshold ? 1.0 : 0.0);
    audit.check_rate = mean_over(over, checking_patients, options);
  }
  audit.flagged_samples =
      flagged_samples(audit.similarity, calibrating, calibrating_patients, options);

  const Patients patients(given.training_patients);
  std::vector<double> hit(patients.items.size(), 0.0);
  for (std::size_t i = 0; i < audit.similarity.size(); ++i) {
    audit.flagged.push_back(audit.similarity[i] > audit.threshold);
    if (audit.flagged.back()) {
      hit[patients.of_item[static_cast<std::size_t>(audit.nearest[i])]] = 1.0;
    }
  }
  audit.flagged_patients = mean_over(hit, each_its_own(hit.size()), options);
  audit.flagged_patients_by_chance =
      std::min(1.0, audit.expected_rate * static_cast<double>(audit.similarity.size()) /
                        static_cast<double>(hit.size()));
}

/// Nearest distances to training and held-out subsets of one number of patients.
void audit_ratios(const AuditSimilarities& given, const AuditStatisticsOptions& options,
                  LevelAudit& audit) {
  const Patients training(given.training_patients), held_out(given.held_out_patients);
  const auto count =
      static_cast<std::int64_t>(std::min(training.items.size(), held_out.items.size()));
  const at::Tensor to_training = distance(given.synthetic_training);
  const at::Tensor to_held_out = distance(given.synthetic_held_out);
  at::Tensor nearer = at::zeros({to_training.size(0)}, at::kDouble);
  std::vector<at::Tensor> ratios;
  const std::uint64_t seed = derived_seed(options.seed, kSubsets);
  for (std::int64_t i = 0; i < options.draws; ++i) {
    const auto draw = static_cast<std::uint32_t>(i);
    const at::Tensor near =
        to_training.index_select(1, drawn_items(training, count, {seed, Stream::kShuffle, draw, 0}))
            .amin(1);
    const at::Tensor far =
        to_held_out.index_select(1, drawn_items(held_out, count, {seed, Stream::kShuffle, draw, 1}))
            .amin(1);
    nearer += (near < far).to(at::kDouble) + 0.5 * (near == far).to(at::kDouble);
    ratios.push_back(near.to(at::kDouble) / far.to(at::kDouble).clamp_min(1e-12));
  }
  nearer /= static_cast<double>(options.draws);
  audit.nearer_to_training =
      mean_over(numbers_of(nearer), each_its_own(audit.similarity.size()), options);
  audit.median_ratio = percentile(numbers_of(at::cat(ratios)), 50.0);
}

/// Distances [T, T] between training items, infinite within a patient.
at::Tensor distances_between_patients(const AuditSimilarities& given) {
  const Patients patients(given.training_patients);
  std::vector<std::int64_t> numbers(patients.of_item.begin(), patients.of_item.end());
  const at::Tensor of_item = at::tensor(numbers, at::kLong);
  return distance(given.training_training)
      .masked_fill(of_item.unsqueeze(0) == of_item.unsqueeze(1),
                   std::numeric_limits<double>::infinity());
}

void audit_authenticity(const AuditSimilarities& given, const AuditStatisticsOptions& options,
                        LevelAudit& audit) {
  const at::Tensor alone = distances_between_patients(given).amin(1);  // [T]
  const auto authentic = [&](const at::Tensor& similarity) {
    const auto [largest, nearest] = similarity.max(1);
    return numbers_of((distance(largest) > alone.index_select(0, nearest)).to(at::kDouble));
  };
  const std::vector<double> synthetic = authentic(given.synthetic_training);
  audit.authenticity = mean_over(synthetic, each_its_own(synthetic.size()), options);
  const std::vector<double> held_out = authentic(given.held_out_training);
  for (const double value : held_out) {
    audit.held_out_authenticity += value / static_cast<double>(held_out.size());
  }
}

/// The probability that `drawn` of `all` items hold at least one of `marked` ones.
double chance_to_draw(std::int64_t marked, std::int64_t all, std::int64_t drawn) {
  double none = 1.0;
  for (std::int64_t i = 0; i < drawn; ++i) {
    none *= static_cast<double>(std::max<std::int64_t>(all - marked - i, 0)) /
            static_cast<double>(all - i);
  }
  return 1.0 - none;
}

void audit_coverage(const AuditSimilarities& given, const AuditStatisticsOptions& options,
                    LevelAudit& audit) {
  const at::Tensor between = distances_between_patients(given);
  const Patients patients(given.training_patients);
  const std::int64_t k = std::min<std::int64_t>(
      options.neighbours, static_cast<std::int64_t>(patients.items.size()) - 1);
  const at::Tensor radius = std::get<0>(between.kthvalue(k, 1));  // [T]
  // More items cover more: both sides count as many.
  const std::int64_t count =
      std::min(given.synthetic_training.size(0), given.held_out_training.size(0));
  const auto covered = [&](const at::Tensor& similarity) {  // [N, T] to one value per patient
    const at::Tensor inside = distance(similarity) <= radius;
    std::vector<double> values;
    for (const auto& items : patients.items) {
      const auto marked =
          inside.index_select(1, at::tensor(items, at::kLong)).any(1).sum().item<std::int64_t>();
      values.push_back(chance_to_draw(marked, similarity.size(0), count));
    }
    return values;
  };
  const std::vector<double> synthetic = covered(given.synthetic_training);
  audit.coverage = mean_over(synthetic, each_its_own(synthetic.size()), options);
  for (const double value : covered(given.held_out_training)) {
    audit.held_out_coverage += value / static_cast<double>(synthetic.size());
  }
}

}  // namespace

std::string too_few_to_audit(std::int64_t synthetic,
                             const std::vector<std::string>& training_patients,
                             const std::vector<std::string>& held_out_patients,
                             const std::vector<bool>& calibrates) {
  const auto count = [](const std::vector<std::string>& patients) {
    return static_cast<std::int64_t>(
        std::set<std::string>(patients.begin(), patients.end()).size());
  };
  const std::int64_t training = count(training_patients), held_out = count(held_out_patients);
  const auto calibrating = std::count(calibrates.begin(), calibrates.end(), true);
  if (synthetic >= 2 && training >= 2 && held_out >= 2 && calibrating >= 2) return {};
  return "at least two synthetic videos, two training patients, two held-out patients and two "
         "held-out videos to take the threshold from; there are " +
         std::to_string(synthetic) + ", " + std::to_string(training) + ", " +
         std::to_string(held_out) + " and " + std::to_string(calibrating);
}

ConformalThreshold conformal_threshold(std::vector<double> values, double rate) {
  const auto count = static_cast<std::int64_t>(values.size());
  const double wanted = std::ceil((1.0 - rate) * static_cast<double>(count + 1) - kRounding);
  const std::int64_t rank = std::clamp<std::int64_t>(static_cast<std::int64_t>(wanted), 1, count);
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(rank - 1);
  std::nth_element(values.begin(), place, values.end());
  return {*place, static_cast<double>(count + 1 - rank) / static_cast<double>(count + 1)};
}

double true_positive_rate_at(const std::vector<double>& scores, const std::vector<bool>& positive,
                             double false_positive_rate) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto i, auto j) { return scores[i] > scores[j]; });
  const auto positives = static_cast<double>(std::count(positive.begin(), positive.end(), true));
  const double negatives = static_cast<double>(scores.size()) - positives;
  if (positives == 0 || negatives == 0) return std::nan("");
  double best = 0.0, hits = 0.0, false_hits = 0.0;
  for (std::size_t i = 0; i < order.size();) {
    const double score = scores[order[i]];
    for (; i < order.size() && scores[order[i]] == score; ++i) {
      (positive[order[i]] ? hits : false_hits) += 1.0;
    }
    if (false_hits / negatives > false_positive_rate) break;
    best = hits / positives;
  }
  return best;
}

double chance_true_positive_rate(std::int64_t others, double false_positive_rate) {
  const auto count = static_cast<double>(others);
  return (std::floor(false_positive_rate * count + kRounding) + 1.0) / (count + 1.0);
}

std::int64_t least_others_for_interval(double false_positive_rate) {
  return static_cast<std::int64_t>(std::ceil(1.0 / false_positive_rate - kRounding));
}

MembershipInference membership_inference(const std::vector<double>& members,
                                         const std::vector<std::string>& member_patients,
                                         const std::vector<double>& non_members,
                                         const std::vector<std::string>& non_member_patients,
                                         const AuditStatisticsOptions& options) {
  std::vector<double> scores = members;
  scores.insert(scores.end(), non_members.begin(), non_members.end());
  std::vector<std::string> patients = member_patients;
  patients.insert(patients.end(), non_member_patients.begin(), non_member_patients.end());
  std::vector<bool> positive(scores.size(), false);
  std::fill_n(positive.begin(), members.size(), true);
  MembershipInference result;
  result.false_positive_rate = options.membership_rate;
  result.members = static_cast<std::int64_t>(members.size());
  result.non_members = static_cast<std::int64_t>(non_members.size());
  result.auc = area_under_roc_interval(scores, positive, patients, bootstrap_of(options));
  const auto rate = [&](const std::vector<std::size_t>& rows) {
    std::vector<double> drawn;
    std::vector<bool> drawn_positive;
    for (const std::size_t row : rows) {
      drawn.push_back(scores[row]);
      drawn_positive.push_back(positive[row]);
    }
    return true_positive_rate_at(drawn, drawn_positive, options.membership_rate);
  };
  if (result.has_too_few_others()) {
    std::vector<std::size_t> all(scores.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    result.true_positive_rate = {rate(all), std::nan(""), std::nan("")};
    return result;
  }
  FigureRange range;
  range.units = static_cast<std::int64_t>(Patients(member_patients).items.size());
  result.true_positive_rate = bounded_bootstrap(patients, rate, bootstrap_of(options), range);
  return result;
}

bool MembershipInference::has_too_few_others() const {
  return non_members < least_others_for_interval(false_positive_rate);
}

config::Json MembershipInference::to_json() const {
  return {
      {"auc", evaluation::to_json(auc)},
      {"tpr", evaluation::to_json(true_positive_rate)},
      {"chance_true_positive_rate", chance_true_positive_rate(non_members, false_positive_rate)},
      {"at_fpr", false_positive_rate},
      {"members", members},
      {"non_members", non_members}};
}

config::Json LevelAudit::to_json() const {
  return {{"threshold", threshold},
          {"calibrating", calibrating},
          {"expected_rate", expected_rate},
          {"flagged_samples", evaluation::to_json(flagged_samples)},
          {"flagged_patients", evaluation::to_json(flagged_patients)},
          {"flagged_patients_by_chance", flagged_patients_by_chance},
          {"calibration_rate", calibration_rate},
          {"check_rate", check_rate ? evaluation::to_json(*check_rate) : config::Json(nullptr)},
          {"nearer_to_training", evaluation::to_json(nearer_to_training)},
          {"median_distance_ratio", median_ratio},
          {"authenticity", evaluation::to_json(authenticity)},
          {"held_out_authenticity", held_out_authenticity},
          {"coverage", evaluation::to_json(coverage)},
          {"held_out_coverage", held_out_coverage},
          {"membership_by_similarity", membership.to_json()}};
}

LevelAudit audit_level(const AuditSimilarities& given, const AuditStatisticsOptions& options) {
  const std::string too_few =
      too_few_to_audit(given.synthetic_training.size(0), given.training_patients,
                       given.held_out_patients, given.calibrates);
  if (!too_few.empty()) throw DataError("the privacy audit needs " + too_few);
  LevelAudit audit;
  const auto [largest, nearest] = given.synthetic_training.max(1);
  audit.similarity = numbers_of(largest);
  const at::Tensor items = nearest.contiguous();
  audit.nearest.assign(items.const_data_ptr<std::int64_t>(),
                       items.const_data_ptr<std::int64_t>() + items.numel());
  audit.held_out_similarity = numbers_of(given.held_out_training.amax(1));
  audit_memorisation(given, options, audit);
  audit_ratios(given, options, audit);
  audit_authenticity(given, options, audit);
  audit_coverage(given, options, audit);
  audit.membership = membership_inference(
      numbers_of(given.synthetic_training.amax(0)), given.training_patients,
      numbers_of(given.synthetic_held_out.amax(0)), given.held_out_patients, options);
  return audit;
}

}  // namespace echopath::evaluation
