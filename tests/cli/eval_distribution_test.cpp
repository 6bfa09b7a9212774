// `echopath eval fid|fvd|is|generation` as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"
#include "cli/running_program.hpp"
#include "echopath/io/safetensors.hpp"
#include "evaluation/made_comparison.hpp"

namespace echopath::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run;
using testing::RunningProgram;

class EvalVerb : public ::testing::Test {
 protected:
  EvalVerb() {
    evaluation::testing::write_classifiers(folder_ / "model");
    evaluation::testing::write_noise(folder_ / "real", {.seed = 1});
    evaluation::testing::write_noise(folder_ / "made", {.seed = 2, .contrast = 60.0});
  }

  Outcome eval(const std::string& word, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {
        "eval",     word, "--model", folder_ / "model", "--cache", folder_ / "cache",
        "--device", "cpu"};
    if (word != "is") arguments.insert(arguments.end(), {"--real", folder_ / "real"});
    arguments.insert(arguments.end(), {"--synthetic", folder_ / "made"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }

  testing::TemporaryFolder folder_;
};

TEST_F(EvalVerb, PrintsATableForEachDetector) {
  const Outcome outcome = eval("generation", {"--frames", "8", "--folds", "3"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              HasSubstr("in-domain classifier_asd+classifier_pah, frames: 64 features"));
  EXPECT_THAT(outcome.out,
              HasSubstr("in-domain classifier_asd+classifier_pah, clips: 256 features"));
  for (const char* metric :
       {"FID", "KID", "IS", "FVD", "KVD", "precision", "coverage", "Non-ASD"}) {
    EXPECT_THAT(outcome.out, HasSubstr(metric));
  }
  EXPECT_THAT(outcome.out, HasSubstr("120/12/12"));
}

TEST_F(EvalVerb, TwoProcessesGiveTheFiguresOfOne) {
  const Outcome one = eval("fvd", {"--frames", "8", "--json", "--quiet", "--no-cache"});
  const Outcome two =
      eval("fvd", {"--frames", "8", "--json", "--quiet", "--no-cache", "--nproc", "2"});
  ASSERT_EQ(one.exit_code, 0) << one.err;
  ASSERT_EQ(two.exit_code, 0) << two.err;
  EXPECT_EQ(one.out, two.out);
  EXPECT_FALSE(fs::exists(folder_ / "cache"));
}

TEST_F(EvalVerb, WritesTheResultAsJson) {
  const Outcome outcome =
      eval("is", {"--out", folder_ / "is.json", "--compat", "torch-fidelity", "--no-classes"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json result = json::parse(std::ifstream(folder_ / "is.json"));
  EXPECT_EQ(result["kind"], "distribution");
  EXPECT_EQ(result["protocol"]["is_order"], "numpy");
  const json& rows = result["detectors"][0]["metrics"];
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["metric"], "IS");
  EXPECT_GE(rows[0]["value"], 1.0);
  EXPECT_EQ(result["detectors"][0]["detector"]["hash"].get<std::string>().size(), 64U);
}

TEST_F(EvalVerb, WrongUseIsToldInOneLine) {
  const Outcome compat = eval("fid", {"--compat", "pytorch-fid"});
  EXPECT_EQ(compat.exit_code, 2);
  EXPECT_THAT(compat.err, HasSubstr("--compat 'pytorch-fid' is unknown; there are echopath"));
  const Outcome key = eval("fid", {"--set", "is_split=3"});
  EXPECT_EQ(key.exit_code, 2);
  EXPECT_THAT(key.err, HasSubstr("is_splits"));
  const Outcome none = run({"eval", "fid"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.err, HasSubstr("--synthetic is required"));
  const Outcome word = run({"eval", "fud"});
  EXPECT_EQ(word.exit_code, 2);
  EXPECT_THAT(word.err, HasSubstr("did you mean 'f"));
  const Outcome absent =
      run({"eval", "fid", "--real", folder_ / "absent", "--synthetic", folder_ / "made"});
  EXPECT_EQ(absent.exit_code, 3);
  EXPECT_THAT(absent.err, HasSubstr("absent"));
}

TEST_F(EvalVerb, FilesOfFeaturesAreMeasuredAndTakeNoOptionOfVideos) {
  torch::manual_seed(3);
  for (const char* name : {"a", "b"}) {
    io::save_safetensors(folder_ / (std::string(name) + ".safetensors"),
                         {{"features", at::randn({60, 4})}});
  }
  const std::vector<std::string> words = {"eval",
                                          "fid",
                                          "--real-features",
                                          folder_ / "a.safetensors",
                                          "--synthetic-features",
                                          folder_ / "b.safetensors"};
  const Outcome outcome = run(words);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, ::testing::StartsWith("features of a.safetensors (SHA-256 "));
  const std::vector<std::vector<std::string>> of_videos = {{"--detector", "in-domain"},
                                                           {"--model", folder_ / "model"},
                                                           {"--class", "ASD"},
                                                           {"--every", "2"},
                                                           {"--real-split", "TEST"},
                                                           {"--no-cache"},
                                                           {"--nproc", "2"}};
  for (const std::vector<std::string>& more : of_videos) {
    std::vector<std::string> all = words;
    all.insert(all.end(), more.begin(), more.end());
    const Outcome refused = run(all);
    EXPECT_EQ(refused.exit_code, 2) << more[0];
    EXPECT_THAT(refused.err, HasSubstr(more[0] + " has no effect on files of features"));
  }
}

TEST_F(EvalVerb, AnErrorOfSeveralProcessesIsToldOnce) {
  fs::remove(folder_ / "made/Videos/v5.avi");
  const Outcome outcome = eval("fid", {"--nproc", "2"});
  EXPECT_EQ(outcome.exit_code, 3);
  const std::size_t first = outcome.err.find("v5.avi");
  ASSERT_NE(first, std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("v5.avi", first + 1), std::string::npos) << outcome.err;
}

// The demo model's classifiers; the frames of the larger set are 97 MB as bytes, and four times
// that as floats.
TEST(EvalMemorySlow, DoesNotGrowWithTheNumberOfVideos) {
  const testing::TemporaryFolder folder;
  const auto phantoms = [&](const std::string& patients, const std::string& seed) {
    const Outcome made = run({"phantom", "--patients", patients, "--frames", "32", "--seed", seed,
                              "--out", folder / patients});
    ASSERT_EQ(made.exit_code, 0) << made.err;
  };
  phantoms("20", "3");
  phantoms("24", "1");
  phantoms("240", "2");
  const auto peak = [&](const std::string& patients) {
    RunningProgram measuring({"eval", "fid", "--model", ECHOPATH_SOURCE_DIR "/models/phantom",
                              "--real", folder / "20", "--synthetic", folder / patients,
                              "--no-cache", "--no-classes", "--threads", "1", "--device", "cpu"});
    measuring.wait();
    EXPECT_TRUE(measuring.succeeded());
    return measuring.peak_bytes();
  };
  const double few = peak("24");
  const double many = peak("240");
  EXPECT_GT(few, 1e7);
  EXPECT_LT(many, 1.1 * few);
}

}  // namespace
}  // namespace echopath::cli
