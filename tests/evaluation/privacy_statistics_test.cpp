#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "echopath/evaluation/audit_level.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::evaluation {
namespace {

const io::TensorMap& expected() {
  static const io::TensorMap tensors =
      io::load_safetensors(ECHOPATH_SOURCE_DIR "/tests/fixtures/evaluation/privacy.safetensors");
  return tensors;
}

double value(const char* name) {
  return expected().at(name).item<double>();
}

std::vector<std::string> names(const char* key) {
  const at::Tensor numbers = expected().at(key);
  std::vector<std::string> result;
  for (std::int64_t i = 0; i < numbers.size(0); ++i) {
    result.push_back("P" + std::to_string(numbers[i].item<std::int64_t>()));
  }
  return result;
}

AuditSimilarities given() {
  AuditSimilarities similarities;
  similarities.synthetic_training = expected().at("st");
  similarities.synthetic_held_out = expected().at("sh");
  similarities.held_out_training = expected().at("ht");
  similarities.training_training = expected().at("tt");
  similarities.training_patients = names("training_patient");
  similarities.held_out_patients = names("held_out_patient");
  similarities.calibrates.assign(11, false);
  std::fill_n(similarities.calibrates.begin(), 6, true);
  return similarities;
}

AuditStatisticsOptions options() {
  AuditStatisticsOptions options;
  options.false_positive_rate = 0.3;
  options.membership_rate = 0.2;
  options.neighbours = 2;
  options.resamples = 200;
  return options;
}

TEST(PrivacyStatistics, FiguresAreThoseOfTheirDefinitions) {
  const LevelAudit audit = audit_level(given(), options());
  EXPECT_NEAR(audit.threshold, value("threshold"), 1e-12);
  EXPECT_EQ(audit.calibrating, 6);
  EXPECT_NEAR(audit.expected_rate, value("expected_rate"), 1e-12);
  EXPECT_NEAR(audit.flagged_patients_by_chance, value("flagged_patients_by_chance"), 1e-12);
  EXPECT_NEAR(audit.flagged_samples.estimate, value("flagged_samples"), 1e-12);
  EXPECT_NEAR(audit.flagged_patients.estimate, value("flagged_patients"), 1e-12);
  EXPECT_NEAR(audit.calibration_rate, value("calibration_rate"), 1e-12);
  EXPECT_NEAR(audit.check_rate->estimate, value("check_rate"), 1e-12);
  EXPECT_NEAR(audit.nearer_to_training.estimate, value("nearer_to_training"), 1e-12);
  EXPECT_NEAR(audit.median_ratio, value("median_ratio"), 1e-9);
  EXPECT_NEAR(audit.authenticity.estimate, value("authenticity"), 1e-12);
  EXPECT_NEAR(audit.held_out_authenticity, value("held_out_authenticity"), 1e-12);
  EXPECT_NEAR(audit.coverage.estimate, value("coverage"), 1e-12);
  EXPECT_NEAR(audit.held_out_coverage, value("held_out_coverage"), 1e-12);
  EXPECT_NEAR(audit.membership.auc.estimate, value("membership_auc"), 1e-12);
  EXPECT_NEAR(audit.membership.true_positive_rate.estimate, value("membership_tpr"), 1e-12);
}

TEST(ConformalThreshold, IsTheOrderStatisticThatKeepsTheRate) {
  const auto of = [](int count, double rate) {
    std::vector<double> values;
    for (int i = count; i > 0; --i) values.push_back(i);
    return conformal_threshold(values, rate);
  };
  // ⌈0.95 · 20⌉ = 19 of 19, a whole rank; ⌈0.95 · 46⌉ = 44 of 45; ⌈0.9 · 121⌉ = 109 of 120.
  EXPECT_EQ(of(19, 0.05).value, 19);
  EXPECT_NEAR(of(19, 0.05).expected_rate, 0.05, 1e-12);
  EXPECT_EQ(of(45, 0.05).value, 44);
  EXPECT_NEAR(of(45, 0.05).expected_rate, 2.0 / 46.0, 1e-12);
  EXPECT_EQ(of(120, 0.1).value, 109);
  // Too few for the rate: the largest, and the rate that it has.
  EXPECT_EQ(of(18, 0.05).value, 18);
  EXPECT_NEAR(of(18, 0.05).expected_rate, 1.0 / 19.0, 1e-12);
  EXPECT_NEAR(of(4, 0.05).expected_rate, 0.2, 1e-12);
}

// Of n + 1 values that could change places, each is left out in turn: the share of those that lie
// above the threshold of the others is what is promised, and with ties no more.
TEST(ConformalThreshold, UnseenValuesLieAboveItAsOftenAsItSays) {
  for (const int count : {4, 19, 20, 45, 100}) {
    for (const bool ties : {false, true}) {
      double above = 0.0, promised = 0.0;
      for (int unseen = 0; unseen <= count; ++unseen) {
        std::vector<double> others;
        for (int i = 0; i <= count; ++i) {
          if (i != unseen) others.push_back(ties ? i / 4 : i);
        }
        const ConformalThreshold threshold = conformal_threshold(others, 0.05);
        above += (ties ? unseen / 4 : unseen) > threshold.value ? 1.0 / (count + 1) : 0.0;
        promised = threshold.expected_rate;
      }
      if (ties) {
        EXPECT_LE(above, promised + 1e-12) << count;
      } else {
        EXPECT_NEAR(above, promised, 1e-12) << count;
      }
      if (count >= 19) {
        EXPECT_LE(promised, 0.05 + 1e-12) << count;
      }
    }
  }
}

TEST(TruePositiveRateAt, StaysWithinTheFalsePositives) {
  const std::vector<double> scores = {0.1, 0.8, 0.4, 0.4, 0.35, 0.9, 0.7, 0.2, 0.6, 0.4, 0.55, 0.3};
  const std::vector<bool> positive = {false, true,  false, true, false, true,
                                      false, false, true,  true, true,  false};
  // Falling: two positives, a negative, two positives, then a tie of two positives and a negative.
  EXPECT_NEAR(true_positive_rate_at(scores, positive, 0.01), 2.0 / 6.0, 1e-12);
  EXPECT_NEAR(true_positive_rate_at(scores, positive, 1.0 / 6.0), 4.0 / 6.0, 1e-12);
  EXPECT_NEAR(true_positive_rate_at(scores, positive, 0.33), 4.0 / 6.0, 1e-12);
  EXPECT_NEAR(true_positive_rate_at(scores, positive, 0.34), 1.0, 1e-12);
  EXPECT_TRUE(std::isnan(true_positive_rate_at({1, 2}, {true, true}, 0.5)));
}

// Where nothing can be told, each of the n + 1 places of a positive among n others is as likely.
TEST(TruePositiveRateAt, IsByChanceWhatPlacesAmongTheOthersMakeIt) {
  for (const int others : {4, 24, 99, 100, 250}) {
    double found = 0.0;
    for (int place = 0; place <= others; ++place) {
      std::vector<double> scores = {place - 0.5};
      std::vector<bool> positive = {true};
      for (int i = 0; i < others; ++i) {
        scores.push_back(i);
        positive.push_back(false);
      }
      found += true_positive_rate_at(scores, positive, 0.01) / (others + 1);
    }
    EXPECT_NEAR(chance_true_positive_rate(others, 0.01), found, 1e-12) << others;
  }
  EXPECT_NEAR(chance_true_positive_rate(24, 0.01), 0.04, 1e-12);
}

TEST(PrivacyStatistics, IntervalsHoldTheirEstimates) {
  const LevelAudit audit = audit_level(given(), options());
  for (const Interval& interval :
       {audit.flagged_samples, audit.flagged_patients, *audit.check_rate, audit.nearer_to_training,
        audit.authenticity, audit.coverage, audit.membership.auc}) {
    EXPECT_LE(interval.low, interval.estimate);
    EXPECT_GE(interval.high, interval.estimate);
    EXPECT_LT(interval.low, interval.high);
  }
}

/// Features of which similarities are those of nothing but noise.
at::Tensor noise(std::int64_t items, std::uint32_t number) {
  const at::Tensor rows = normal_tensor({items, 16}, {3, Stream::kDataset, number, 0});
  const at::Tensor centred = rows - rows.mean(1, true);
  return centred / centred.norm(2, {1}, true);
}

AuditSimilarities made(const at::Tensor& synthetic, const at::Tensor& training,
                       const at::Tensor& held_out) {
  AuditSimilarities similarities;
  similarities.synthetic_training = synthetic.mm(training.t());
  similarities.synthetic_held_out = synthetic.mm(held_out.t());
  similarities.held_out_training = held_out.mm(training.t());
  similarities.training_training = training.mm(training.t());
  for (std::int64_t i = 0; i < training.size(0); ++i) {
    similarities.training_patients.push_back("T" + std::to_string(i));
  }
  for (std::int64_t i = 0; i < held_out.size(0); ++i) {
    similarities.held_out_patients.push_back("H" + std::to_string(i));
    similarities.calibrates.push_back(i % 2 == 0);
  }
  return similarities;
}

TEST(PrivacyStatistics, AnHonestGeneratorLooksLikeHeldOutData) {
  AuditStatisticsOptions asked;
  asked.resamples = 100;
  const LevelAudit audit = audit_level(made(noise(300, 1), noise(150, 2), noise(200, 3)), asked);
  EXPECT_LT(audit.flagged_samples.low, 0.05);
  EXPECT_LT(audit.flagged_samples.estimate, 0.12);
  EXPECT_NEAR(audit.nearer_to_training.estimate, 0.5, 0.1);
  EXPECT_NEAR(audit.median_ratio, 1.0, 0.05);
  EXPECT_NEAR(audit.authenticity.estimate, audit.held_out_authenticity, 0.15);
  EXPECT_LT(audit.membership.auc.low, 0.5);
  EXPECT_GT(audit.membership.auc.high, 0.5);
}

TEST(PrivacyStatistics, ACopyingGeneratorIsFoundByEveryFigure) {
  const at::Tensor training = noise(150, 2);
  at::Tensor copies = training.slice(0, 0, 100) + 0.02 * noise(100, 7);
  copies = copies - copies.mean(1, true);
  copies = copies / copies.norm(2, {1}, true);
  AuditStatisticsOptions asked;
  asked.resamples = 100;
  const LevelAudit audit = audit_level(made(copies, training, noise(200, 3)), asked);
  EXPECT_GE(audit.flagged_samples.low, 0.95);
  EXPECT_NEAR(audit.flagged_patients.estimate, 100.0 / 150.0, 1e-9);
  EXPECT_LT(audit.median_ratio, 0.2);
  EXPECT_LT(audit.authenticity.estimate, 0.05);
  EXPECT_GT(audit.membership.auc.low, 0.7);
  EXPECT_GT(audit.membership.true_positive_rate.estimate, 0.6);
}

TEST(PrivacyStatistics, ItemsAtTheThresholdAreNotFlagged) {
  AuditSimilarities alike = made(noise(4, 1), noise(5, 2), noise(8, 3));
  alike.held_out_training = at::full_like(alike.held_out_training, 0.5);
  alike.synthetic_training = at::full_like(alike.synthetic_training, 0.5);
  alike.synthetic_training.select(0, 3).select(0, 2).fill_(0.75);
  AuditStatisticsOptions asked;
  asked.resamples = 20;
  const LevelAudit audit = audit_level(alike, asked);
  EXPECT_EQ(audit.threshold, 0.5);
  EXPECT_EQ(audit.flagged, (std::vector<bool>{false, false, false, true}));
  EXPECT_EQ(audit.calibration_rate, 0.0);
  EXPECT_EQ(audit.check_rate->estimate, 0.0);
  // The largest of four: one unseen item in five is expected above it, not one in twenty, so that
  // four samples may hit 4/5 of one of the five patients.
  EXPECT_NEAR(audit.expected_rate, 1.0 / 5.0, 1e-12);
  EXPECT_NEAR(audit.flagged_patients_by_chance, 4.0 / 5.0 / 5.0, 1e-12);
}

// 0 or all of N say little of small N: Clopper and Pearson's bounds.
TEST(PrivacyStatistics, RatesOfNoneAndAllClaimNoCertainty) {
  const at::Tensor training = noise(40, 2), held_out = noise(60, 3);
  AuditStatisticsOptions asked;
  asked.resamples = 100;
  const LevelAudit copied = audit_level(made(training.slice(0, 0, 5), training, held_out), asked);
  EXPECT_EQ(copied.flagged_samples.estimate, 1.0);
  EXPECT_NEAR(copied.flagged_samples.low, std::pow(0.025, 1.0 / 5), 1e-9);
  EXPECT_EQ(copied.authenticity.estimate, 0.0);
  EXPECT_NEAR(copied.authenticity.high, 1 - std::pow(0.025, 1.0 / 5), 1e-9);

  AuditSimilarities far = made(noise(8, 1), training, held_out);
  far.synthetic_training = at::full_like(far.synthetic_training, -0.9);
  const LevelAudit none = audit_level(far, asked);
  EXPECT_EQ(none.flagged_samples.estimate, 0.0);
  EXPECT_NEAR(none.flagged_samples.high, 1 - std::pow(0.025, 1.0 / 8), 1e-9);
  EXPECT_NEAR(none.flagged_patients.high, 1 - std::pow(0.025, 1.0 / 40), 1e-9);
}

TEST(MembershipInference, FindingNoMemberOrEveryOneIsNotCertain) {
  const std::vector<double> low = {0.1, 0.2, 0.3, 0.1}, high = {0.7, 0.8, 0.9, 0.7, 0.8};
  const std::vector<std::string> four = {"a", "a", "b", "c"}, five = {"v", "w", "x", "y", "z"};
  AuditStatisticsOptions asked;
  asked.resamples = 100;
  asked.membership_rate = 0.25;
  const MembershipInference none = membership_inference(low, four, high, five, asked);
  EXPECT_EQ(none.true_positive_rate.estimate, 0.0);
  EXPECT_NEAR(none.true_positive_rate.high, 1 - std::pow(0.025, 1.0 / 3), 1e-9);
  EXPECT_EQ(none.auc.estimate, 0.0);
  EXPECT_NEAR(none.auc.high, 1 - std::pow(0.025, 1.0 / 3), 1e-9);
  const MembershipInference all = membership_inference(high, five, low, four, asked);
  EXPECT_EQ(all.true_positive_rate.estimate, 1.0);
  EXPECT_NEAR(all.true_positive_rate.low, std::pow(0.025, 1.0 / 5), 1e-9);
}

// Of 99 others not one may be a false alarm at 1 %, of 100 one may.
TEST(MembershipInference, TheRateHasAnIntervalFromAHundredOthersOn) {
  const auto infer = [](int others) {
    std::vector<double> members, non_members;
    std::vector<std::string> member_patients, non_member_patients;
    for (int i = 0; i < 40; ++i) {
      members.push_back(80.5 + i);
      member_patients.push_back("member " + std::to_string(i));
    }
    for (int i = 0; i < others; ++i) {
      non_members.push_back(i);
      non_member_patients.push_back("other " + std::to_string(i));
    }
    AuditStatisticsOptions asked;
    asked.resamples = 200;
    return membership_inference(members, member_patients, non_members, non_member_patients, asked);
  };
  const MembershipInference few = infer(99);
  EXPECT_TRUE(few.has_too_few_others());
  EXPECT_NEAR(few.true_positive_rate.estimate, 22.0 / 40.0, 1e-12);  // above 98
  EXPECT_TRUE(std::isnan(few.true_positive_rate.low));
  EXPECT_TRUE(std::isnan(few.true_positive_rate.high));
  EXPECT_LT(few.auc.low, few.auc.high);
  const config::Json json = few.to_json().at("tpr");
  EXPECT_NEAR(json.at("estimate").get<double>(), 22.0 / 40.0, 1e-12);
  EXPECT_TRUE(json.at("low").is_null());
  EXPECT_TRUE(json.at("high").is_null());
  const MembershipInference enough = infer(100);
  EXPECT_FALSE(enough.has_too_few_others());
  EXPECT_NEAR(enough.true_positive_rate.estimate, 22.0 / 40.0, 1e-12);  // above 98 again
  EXPECT_LT(enough.true_positive_rate.low, 22.0 / 40.0);
  EXPECT_GT(enough.true_positive_rate.high, 22.0 / 40.0);
  EXPECT_EQ(least_others_for_interval(0.01), 100);
  EXPECT_EQ(least_others_for_interval(0.03), 34);
}

// Of four samples the first patient has one within reach, the second two and the third none; of two
// held-out videos the first patient has both. Two of four: 1 − C(3,2)/C(4,2) and 1 − C(2,2)/C(4,2).
TEST(PrivacyStatistics, CoverageIsOfAsManyItemsOnBothSides) {
  AuditSimilarities given;
  const at::TensorOptions numbers = at::kDouble;
  given.synthetic_training = at::full({4, 3}, -0.5, numbers);
  given.synthetic_training[0][0] = given.synthetic_training[1][1] = 0.5;
  given.synthetic_training[3][1] = 0.0;  // as far as the patients from each other
  given.synthetic_held_out = at::zeros({4, 2}, numbers);
  given.held_out_training = at::full({2, 3}, -0.5, numbers);
  given.held_out_training.select(1, 0).fill_(0.5);
  given.training_training = at::eye(3, numbers);
  given.training_patients = {"T0", "T1", "T2"};
  given.held_out_patients = {"H0", "H1"};
  given.calibrates = {true, true};
  const LevelAudit audit = audit_level(given, options());
  EXPECT_NEAR(audit.coverage.estimate, (0.5 + 5.0 / 6.0) / 3.0, 1e-12);
  EXPECT_NEAR(audit.held_out_coverage, 1.0 / 3.0, 1e-12);
}

TEST(PrivacyStatistics, TooSmallSetsAreTold) {
  AuditSimilarities few = made(noise(1, 1), noise(1, 2), noise(4, 3));
  try {
    audit_level(few);
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("there are 1, 1, 4 and 2"));
  }
  // One synthetic item alone is too few.
  EXPECT_THROW(audit_level(made(noise(1, 1), noise(5, 2), noise(8, 3))), DataError);
  EXPECT_NO_THROW(audit_level(made(noise(2, 1), noise(5, 2), noise(8, 3))));
}

}  // namespace
}  // namespace echopath::evaluation
