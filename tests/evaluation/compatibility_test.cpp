// The metrics' reproduction switches against the correct behaviour: they differ as the published
// code does.
#include "echopath/models/compatibility.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "echopath/core/statistics.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"
#include "echopath/evaluation/frechet.hpp"
#include "echopath/evaluation/inception_score.hpp"
#include "echopath/evaluation/jpeg.hpp"
#include "evaluation/reference.hpp"

namespace echopath::evaluation {
namespace {

using models::Compatibility;

TEST(CompatibilityCovariance, StyleGanDividesByNAndGivesSmallerDistancesFromFewItems) {
  // Two sets of the same mean: the distance is all in the covariances, which ddof 0 shrinks, here
  // by the same factor 9/10 on both sides.
  torch::manual_seed(3);
  const at::Tensor features = at::randn({10, 3}, at::kDouble);
  FeatureStatistics a(3), b(3);
  a.add(features - features.mean(0));
  b.add(2 * (features - features.mean(0)));
  Compatibility published;
  published.covariance_ddof = 0;
  const double correct = frechet_distance(a, b, Compatibility{});
  EXPECT_NEAR(frechet_distance(a, b, published), 0.9 * correct, 1e-9);
}

at::Tensor logs_of(std::int64_t images) {
  const at::Tensor logs = testing::reference().at("probabilities").log();
  return logs.repeat({images / 95 + 1, 1}).slice(0, 0, images);
}

/// As `echopath eval is --compat stylegan-v` computes it, and with parts of the rows that there
/// are.
double score_of(std::int64_t images, const std::string& parts) {
  FeatureTable table;
  table.features = at::zeros({images, 1});
  table.log_probabilities = logs_of(images);
  MetricProtocol protocol = protocol_of("stylegan-v");
  EXPECT_EQ(protocol.is_parts, "50000");
  protocol.is_parts = parts;
  return inception_metric(table, protocol, {.folds = 0}).estimate.value;
}

InceptionScore published_score(std::int64_t images) {
  Compatibility published;
  published.inception_split_denominator = "50000";
  return inception_score(logs_of(images), inception_score_options(published));
}

// StyleGAN-V splits at tenths of 50 000 whatever the number of images: with up to 45 000 the last
// split is empty.
TEST(CompatibilityInceptionScore, AFixedDenominatorGivesNoNumberForFewerImages) {
  EXPECT_TRUE(std::isnan(score_of(41'920, "50000")));
  EXPECT_TRUE(std::isnan(score_of(45'000, "50000")));
  EXPECT_FALSE(std::isnan(score_of(45'001, "50000")));
  EXPECT_FALSE(std::isnan(score_of(41'920, "rows")));
  EXPECT_EQ(score_of(50'000, "50000"), score_of(50'000, "rows"));
}

TEST(CompatibilityInceptionScore, TheShortLastSplitChangesTheScore) {
  // One image alone in the last split: its score is 1.
  const InceptionScore published = published_score(45'001);
  EXPECT_NEAR(published.splits.back(), 1.0, 1e-12);
  EXPECT_EQ(score_of(45'001, "50000"), published.mean);
  EXPECT_LT(published.mean, score_of(45'001, "rows"));
}

// StyleGAN-V's kid50k_full: 100 subsets of 1000 rows, or of the smaller side where that has fewer.
TEST(CompatibilityKernelDistance, StyleGanTakesAHundredSubsetsOfTheSmallerSide) {
  const MetricProtocol protocol = protocol_of("stylegan-v");
  EXPECT_EQ(protocol.kid_subsets, 100);
  EXPECT_EQ(protocol.kid_subset_size, 1000);
  EXPECT_EQ(protocol.pair_rows, 0);
  torch::manual_seed(4);
  const auto table = [](std::int64_t rows) {
    FeatureTable made;
    made.features = at::randn({rows, 3}, at::kDouble);
    made.videos = {{"video", "", "patient", 0, rows}};
    return made;
  };
  const FeatureTable real = table(40), synthetic = table(40), more = table(60);
  // Subsets of all rows are all rows.
  const MetricValue whole = kernel_metric(real, synthetic, protocol, {.folds = 0});
  EXPECT_NEAR(whole.estimate.value, kernel_metric(real, synthetic, {}, {.folds = 0}).estimate.value,
              1e-9);
  EXPECT_NEAR(whole.spread.value(), 0.0, 1e-9);
  const MetricValue parts = kernel_metric(real, more, protocol, {.folds = 0});
  EXPECT_GT(parts.spread.value(), 1e-3);
  ASSERT_EQ(parts.warnings.size(), 1U);
  EXPECT_EQ(parts.warnings[0], "subsets of 40 rows instead of 1000: there are no more");
}

/// Mean and covariance of 4 × 4 patches of frames.
FeatureStatistics patches(const io::Frames& frames) {
  const at::Tensor pixels =
      at::tensor(frames.pixels, at::kByte).to(at::kDouble).view({frames.height, frames.width});
  FeatureStatistics statistics(16);
  statistics.add(pixels.unfold(0, 4, 4).unfold(1, 4, 4).reshape({-1, 16}));
  return statistics;
}

// Real frames at quality 100 and synthetic ones at 95: the same frames on both sides are then at a
// distance from each other.
TEST(CompatibilityJpeg, PublishedQualitiesSetEqualFramesApart) {
  const at::Tensor image = testing::reference().at("grey");
  io::Frames frames;
  frames.count = 1;
  frames.height = image.size(0);
  frames.width = image.size(1);
  frames.pixels.assign(image.data_ptr<std::uint8_t>(),
                       image.data_ptr<std::uint8_t>() + image.numel());
  const auto distance = [&](const Compatibility& compatibility) {
    return frechet_distance(patches(frames_to_measure(frames, Side::kReal, compatibility)),
                            patches(frames_to_measure(frames, Side::kSynthetic, compatibility)),
                            compatibility);
  };
  Compatibility published;
  published.jpeg = "published";
  EXPECT_NEAR(distance({}), 0.0, 1e-6);
  EXPECT_GT(distance(published), 0.1);
  EXPECT_EQ(frames_to_measure(frames, Side::kSynthetic, {}).pixels, frames.pixels);
  EXPECT_EQ(frames_to_measure(frames, Side::kReal, published).pixels,
            through_jpeg(frames, 100).pixels);
  EXPECT_EQ(frames_to_measure(frames, Side::kSynthetic, published).pixels,
            through_jpeg(frames, 95).pixels);
}

// EchoPath's AUC of predicted labels is the balanced accuracy: lower than that of the scores where
// these rank well and the threshold lies badly.
TEST(CompatibilityAuc, OfLabelsIsTheBalancedAccuracy) {
  const std::vector<std::vector<double>> rows = {{0.9, 0.1}, {0.8, 0.2}, {0.7, 0.3}, {0.4, 0.6}};
  const std::vector<std::size_t> labels = {0, 0, 1, 1};
  const auto auc = [&](const std::string& from) {
    Compatibility compatibility;
    compatibility.auc_from = from;
    return area_under_roc(rows, labels, parse_auc_from(compatibility.auc_from));
  };
  EXPECT_EQ(auc(Compatibility{}.auc_from), 1.0);
  EXPECT_EQ(auc("labels"), 0.75);  // both of class 0 found, one of the two of class 1
}

}  // namespace
}  // namespace echopath::evaluation
