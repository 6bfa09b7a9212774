// Precision, recall, density and coverage of fewer patients than the neighbours that they look for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <string>
#include <vector>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/evaluation/distribution.hpp"
#include "echopath/io/safetensors.hpp"
#include "evaluation/made_comparison.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> metrics_of(const DetectorResults& results) {
  std::vector<std::string> names;
  for (const DistributionRow& row : results.rows) names.push_back(row.metric.metric);
  return names;
}

/// Five real rows and eight synthetic ones, each of a patient of its own.
class FewPatients : public ::testing::Test {
 protected:
  FewPatients() {
    torch::manual_seed(11);
    write("real", 5, "frames");
    write("made", 8, "frames");
    options_.real_features = folder_ / "real.safetensors";
    options_.synthetic_features = folder_ / "made.safetensors";
    options_.intervals.folds = 0;
  }
  void write(const std::string& name, std::int64_t rows, const char* takes) const {
    io::save_safetensors(
        folder_ / (name + ".safetensors"),
        {{"features", at::randn({rows, 3})}, {"probabilities", at::randn({rows, 4}).softmax(1)}},
        {{"takes", takes}});
  }
  DistributionReport measure(const std::vector<std::string>& metrics) {
    options_.metrics = metrics;
    return measure_distribution(options_).value();
  }

  TemporaryDirectory folder_;
  DistributionOptions options_;
};

TEST_F(FewPatients, LeavePrecisionAndRecallOutWithAWarningAndTheOtherFiguresIn) {
  const DistributionReport report =
      measure({"fid", "kid", "prdc", "is", "fvd", "kvd", "clip-prdc"});
  ASSERT_EQ(report.detectors.size(), 1U);
  EXPECT_THAT(metrics_of(report.detectors[0]), ElementsAre("FID", "KID", "IS"));
  const std::string told =
      "prdc: precision, recall, density and coverage with up to 5 neighbours need 6 real patients "
      "or more; there are 5; give more, or ask for fewer neighbours with --set "
      "density_neighbours=4; they are left out";
  EXPECT_THAT(report.warnings, ElementsAre(told));
  EXPECT_THAT(report.to_json(options_).at("warnings").get<std::vector<std::string>>(),
              ElementsAre(told));
}

TEST_F(FewPatients, LeaveThemOutOfClipsToo) {
  write("real", 5, "clips");
  write("made", 8, "clips");
  const DistributionReport report = measure({"fvd", "clip-prdc"});
  EXPECT_THAT(metrics_of(report.detectors[0]), ElementsAre("FVD"));
  EXPECT_THAT(report.warnings, ElementsAre(::testing::StartsWith("clip-prdc: precision, ")));
}

TEST_F(FewPatients, AreRefusedWhereNothingElseIsAskedForAndTheRemedyIsOne) {
  for (const std::vector<std::string>& alone :
       {std::vector<std::string>{"prdc"}, {"prdc", "clip-prdc"}}) {
    expect_error<DataError>([&] { measure(alone); },
                            "need 6 real patients or more; there are 5; give more, or ask for "
                            "fewer neighbours with --set density_neighbours=4");
  }
  options_.protocol.density_neighbours = 4;
  EXPECT_THAT(metrics_of(measure({"prdc"}).detectors[0]),
              ElementsAre("precision", "recall", "density", "coverage"));
}

TEST_F(FewPatients, AreToldOfTheSmallerSideWithEveryKeyThatHelps) {
  write("made", 3, "frames");
  expect_error<DataError>([&] { measure({"prdc"}); },
                          "need 6 synthetic patients or more; there are 3; give more, or ask for "
                          "fewer neighbours with --set precision_neighbours=2 --set "
                          "density_neighbours=2");
  options_.protocol.neighbours = "any";
  expect_error<DataError>([&] { measure({"prdc"}); }, "need 6 synthetic rows or more");
}

TEST_F(FewPatients, ASinglePatientHasNoNeighbourToAskFor) {
  io::save_safetensors(folder_ / "made.safetensors",
                       {{"features", at::randn({8, 3})}, {"groups", at::ones({8}, at::kLong)}},
                       {{"takes", "frames"}});
  try {
    measure({"prdc"});
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("there are 1; give more"));
    EXPECT_THAT(error.what(), Not(HasSubstr("--set")));
  }
}

TEST_F(FewPatients, AScoreThatIsLeftOutIsRecordedToo) {
  io::save_safetensors(folder_ / "made.safetensors", {{"features", at::randn({8, 3})}},
                       {{"takes", "frames"}});
  EXPECT_THAT(measure({"fid", "is"}).warnings,
              ElementsAre(HasSubstr("which an inception score needs; it is left out")));
  options_.compat = "clean-fid";
  EXPECT_THAT(measure({"fid", "is"}).warnings,
              ElementsAre("--compat clean-fid: that tool has no inception score; it is left out"));
}

// Twelve patients, six of each class.
TEST_F(FewPatients, OfAClassLeaveItsOtherFiguresIn) {
  testing::write_classifiers(folder_ / "model");
  testing::write_noise(folder_ / "a", {.frames = 4, .seed = 1});
  testing::write_noise(folder_ / "b", {.frames = 4, .seed = 2, .contrast = 60.0});
  DistributionOptions videos;
  videos.real = folder_ / "a";
  videos.synthetic = folder_ / "b";
  videos.model = folder_ / "model";
  videos.cache = folder_ / "cache";
  videos.frames = 4;
  videos.intervals.folds = 0;
  videos.protocol.density_neighbours = 6;
  videos.metrics = {"prdc", "is"};
  const DistributionReport report = measure_distribution(videos).value();
  EXPECT_THAT(metrics_of(report.detectors[0]),
              ElementsAre("precision", "recall", "density", "coverage", "IS", "IS", "IS"));
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("prdc of class ASD: precision, recall, "),
                                           HasSubstr("prdc of class Non-ASD: precision, ")));
  EXPECT_THAT(report.warnings, Contains(HasSubstr("need 7 real patients or more; there are 6")));
  // Of all of them too few: told once, not for each class again.
  videos.protocol.density_neighbours = 12;
  const DistributionReport none = measure_distribution(videos).value();
  EXPECT_THAT(metrics_of(none.detectors[0]), ElementsAre("IS", "IS", "IS"));
  EXPECT_THAT(none.warnings, ElementsAre(::testing::StartsWith("prdc: precision, recall, ")));
  // Figures of the other kind are not lost either.
  videos.metrics = {"fid", "clip-prdc"};
  videos.by_class = false;
  const DistributionReport frames = measure_distribution(videos).value();
  ASSERT_EQ(frames.detectors.size(), 2U);
  EXPECT_THAT(metrics_of(frames.detectors[0]), ElementsAre("FID"));
  EXPECT_THAT(metrics_of(frames.detectors[1]), IsEmpty());
  EXPECT_THAT(frames.warnings, ElementsAre(::testing::StartsWith("clip-prdc: ")));
}

}  // namespace
}  // namespace echopath::evaluation
