// Folders that are given in each other's place: `filter`, `eval privacy` and `eval classification`
// go on, with a warning.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/temporary_directory.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/evaluation/classification.hpp"
#include "echopath/evaluation/latent_reader.hpp"
#include "echopath/evaluation/predictions.hpp"
#include "echopath/evaluation/privacy_audit.hpp"
#include "echopath/evaluation/privacy_filter.hpp"
#include "evaluation/made_comparison.hpp"
#include "evaluation/made_latents.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// What is logged meanwhile, from warnings on.
template <class Call>
std::string warnings_of(Call&& call) {
  initialise_logging("warn", false);
  ::testing::internal::CaptureStderr();
  call();
  return ::testing::internal::GetCapturedStderr();
}

class ConfusedDirectories : public ::testing::Test {
 protected:
  ConfusedDirectories() {
    std::vector<testing::MadeLatents> real, sampled;
    for (std::uint32_t i = 0; i < 4; ++i) {
      const at::Tensor mean = testing::drawn_latents(i, 1);
      real.push_back({"real" + std::to_string(i), i < 2 ? "TRAIN" : "VAL", mean});
      sampled.push_back({"sample" + std::to_string(i), "TRAIN", mean});
    }
    testing::write_latents(real_, real);
    testing::write_latents(sampled_, sampled);
    write_file(sampled_ / "manifest.jsonl", "");
  }

  static std::string warnings(const fs::path& real, const fs::path& synthetic) {
    return warnings_of([&] { warn_of_confused_directories(real, synthetic); });
  }

  TemporaryDirectory folder_;
  fs::path real_ = folder_ / "real";
  fs::path sampled_ = folder_ / "sampled";
};

TEST_F(ConfusedDirectories, AreNoneWhereARealAndASampledOneAreGiven) {
  EXPECT_THAT(warnings(real_, sampled_), IsEmpty());
  // Two sampled sets may be compared, in either order.
  write_file(real_ / "manifest.jsonl", "");
  EXPECT_THAT(warnings(sampled_, real_), IsEmpty());
}

TEST_F(ConfusedDirectories, ThatLookSwappedAreNamedInTheirOrder) {
  EXPECT_THAT(warnings(sampled_, real_),
              HasSubstr("--real '" + sampled_.string() + "' and --synthetic '" + real_.string() +
                        "' look swapped: only the first has a manifest.jsonl"));
}

TEST_F(ConfusedDirectories, OfOneKindOrCopiedAreTold) {
  EXPECT_THAT(warnings(real_, real_ / "."),
              HasSubstr("are one directory: what follows compares it with itself"));
  const fs::path copy = folder_ / "copy";
  fs::copy(real_, copy, fs::copy_options::recursive);
  const std::string told = warnings(real_, copy);
  EXPECT_THAT(told, HasSubstr("hold the same files: what follows compares a set with its copy"));
  EXPECT_THAT(told, Not(HasSubstr("swapped")));
}

TEST_F(ConfusedDirectories, AreReturnedAsTheyAreTold) {
  EXPECT_THAT(warn_of_confused_directories(real_, sampled_), IsEmpty());
  EXPECT_THAT(
      warn_of_confused_directories(real_, real_ / "."),
      ElementsAre("--real '" + real_.string() + "' and --synthetic '" + (real_ / ".").string() +
                  "' are one directory: what follows compares it with itself"));
  // A copy may look swapped as well.
  const fs::path copy = folder_ / "copy";
  fs::copy(sampled_, copy, fs::copy_options::recursive);
  fs::remove(copy / "manifest.jsonl");
  EXPECT_THAT(warn_of_confused_directories(sampled_, copy),
              ElementsAre(HasSubstr("hold the same files"), HasSubstr("look swapped")));
}

TEST_F(ConfusedDirectories, AreToldByTheFilterAndByThePrivacyAudit) {
  FilterOptions filter;
  filter.real = filter.synthetic = real_.string();
  filter.model = generation::testing::shared_toy_model().string();
  filter.out = (folder_ / "filtered").string();
  filter.device = "cpu";
  EXPECT_THAT(warnings_of([&] { run_filter(filter); }), HasSubstr("are one directory"));
  PrivacyAuditOptions audit;
  audit.real = audit.synthetic = real_.string();
  audit.model = filter.model;
  audit.out = (folder_ / "audit").string();
  audit.statistics.resamples = 20;
  audit.denoising = false;
  audit.device = "cpu";
  EXPECT_THAT(warnings_of([&] { run_privacy_audit(audit); }), HasSubstr("are one directory"));
}

TEST_F(ConfusedDirectories, SampledVideosToJudgeClassifiersOnAreTold) {
  testing::write_noise(folder_ / "videos", {.videos = 4, .frames = 4});
  Predictions made;
  made.classes = {"Non-ASD", "ASD"};
  for (int i = 0; i < 4; ++i) {
    made.names.push_back("v" + std::to_string(i));
    made.patients.push_back("P" + std::to_string(i));
    made.labels.push_back(i % 2 == 0 ? 1 : 0);
    const double asd = i % 2 == 0 ? 0.9 : 0.1;
    made.probabilities.push_back({1 - asd, asd});
  }
  write_predictions(folder_ / "predictions.csv", made);
  ClassificationEvaluation asked;
  asked.real = (folder_ / "videos").string();
  asked.arms = {{"one", {(folder_ / "predictions.csv").string()}}};
  asked.out = (folder_ / "results").string();
  asked.bootstrap.resamples = 20;
  asked.device = "cpu";
  const std::string told =
      "--real '" + asked.real + "' holds sampled videos: classifiers are to be judged on real ones";
  EXPECT_THAT(warnings_of([&] { evaluate_classification(asked); }), Not(HasSubstr("sampled")));
  write_file(folder_ / "videos/manifest.jsonl", "");
  asked.again = true;
  EXPECT_THAT(warnings_of([&] { evaluate_classification(asked); }), HasSubstr(told));
}

}  // namespace
}  // namespace echopath::evaluation
