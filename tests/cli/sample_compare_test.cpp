// `eval compare` of what `sample` made: arms are paired by their seeds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/run_program.hpp"
#include "generation/toy_model.hpp"

namespace echopath::cli {
namespace {

using generation::testing::shared_toy_model;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;

class SampledArms : public ::testing::Test {
 protected:
  void sample(const std::string& out, const std::string& seed) const {
    const Outcome outcome =
        run({"sample", "--model", shared_toy_model().string(), "--class", "ASD", "--blocks", "1",
             "--steps", "1", "--seed", seed, "--device", "cpu", "--quiet", "--out", folder_ / out});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  }
  /// Compares an arm with `first`. The toy model has no detector, which is asked for later.
  Outcome compare(const std::string& arm) const {
    const std::string first = folder_ / "first";
    return run({"eval", "compare", "--real", first, "--arm", "first=" + first, "--arm",
                "other=" + (folder_ / arm), "--model", shared_toy_model().string(), "--device",
                "cpu"});
  }

  TemporaryFolder folder_;
};

TEST_F(SampledArms, OfOtherSeedsAreNotCompared) {
  sample("first", "5");
  sample("same", "5");
  sample("other", "6");
  const Outcome refused = compare("other");
  EXPECT_EQ(refused.exit_code, 3) << refused.err;
  EXPECT_THAT(testing::last_line(refused.err),
              HasSubstr("arm other has video ASD_000006 of seed 6 where first has ASD_000005 of "
                        "seed 5; paired arms have the same seeds"));
  EXPECT_THAT(compare("same").err, Not(HasSubstr("seed")));
}

TEST_F(SampledArms, WithoutAManifestAreComparedWithAWarning) {
  sample("first", "5");
  sample("other", "6");
  std::filesystem::remove(folder_ / "other/manifest.jsonl");
  const Outcome outcome = compare("other");
  EXPECT_THAT(outcome.err,
              HasSubstr("no manifest.jsonl tells the seeds of all videos of arm other"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("paired arms have the same seeds")));
}

}  // namespace
}  // namespace echopath::cli
