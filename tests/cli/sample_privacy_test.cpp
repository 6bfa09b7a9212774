// `echopath sample` where no heart frame passes the privacy gate.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"
#include "echopath/core/files.hpp"
#include "generation/toy_model.hpp"

namespace echopath::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run;
using ::testing::StartsWith;
using testing::TemporaryFolder;

class SamplePrivacyGate : public ::testing::Test {
 protected:
  SamplePrivacyGate() {
    generation::testing::ToyModelOptions strict;
    strict.tau = -2.0;  // no correlation is below it
    generation::testing::write_toy_model(folder_ / "model", strict);
  }

  Outcome sample(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"sample",  "--model",  folder_ / "model",
                                          "--class", "ASD",      "--blocks",
                                          "1",       "--steps",  "1",
                                          "--seed",  "3",        "--max-redraws",
                                          "2",       "--device", "cpu",
                                          "--quiet", "--out",    folder_ / "out"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  std::string manifest() const { return read_file(folder_ / "out/manifest.jsonl"); }

  TemporaryFolder folder_;
};

TEST_F(SamplePrivacyGate, ExhaustedEndsWithCodeThreeAndSaysWhatToDo) {
  const Outcome outcome = sample({});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  const std::string line = testing::last_line(outcome.err);
  EXPECT_THAT(line, StartsWith("echopath: error: no heart frame passed the privacy gate in 3 draws "
                               "(similarity to a training frame at least "));
  EXPECT_THAT(line, HasSubstr(", limit -2.000000); raise --max-redraws, or go on with "
                              "--allow-unfiltered; what was made stays in"));
  EXPECT_EQ(manifest(), "");
  EXPECT_FALSE(fs::exists(folder_ / "out/Videos/ASD_000003.mp4"));
}

TEST_F(SamplePrivacyGate, AllowUnfilteredGoesOnAndTheManifestSaysSo) {
  ASSERT_EQ(sample({}).exit_code, 3);
  const Outcome outcome = sample({"--allow-unfiltered", "--resume"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("ASD_000003: no heart frame passed the privacy gate; the "
                                     "manifest says so"));
  EXPECT_THAT(outcome.out,
              HasSubstr("made 1, there already 0, heart frames refused 3, unfiltered 1\n"));
  EXPECT_TRUE(fs::is_regular_file(folder_ / "out/Videos/ASD_000003.mp4"));
  const json privacy = json::parse(manifest()).at("privacy");
  EXPECT_FALSE(privacy.at("filtered").get<bool>());
  EXPECT_EQ(privacy.at("redraws"), 3);
  EXPECT_EQ(privacy.at("tau"), -2.0);
  EXPECT_GE(privacy.at("score").get<double>(), -1.0 - 1e-6);
}

}  // namespace
}  // namespace echopath::cli
