// Golden tests of `echopath eval classification` on predictions that are given.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"
#include "echopath/core/files.hpp"
#include "echopath/data/dataset.hpp"
#include "evaluation/made_comparison.hpp"

namespace echopath::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using testing::last_line;
using ::testing::Not;
using testing::Outcome;
using testing::run;

class EvalClassificationVerb : public ::testing::Test {
 protected:
  EvalClassificationVerb() {
    evaluation::testing::write_noise(folder_ / "real", {.videos = 8, .frames = 4});
    // Videos of ASD are v0, v2, …: one arm calls all right, the other takes v0 and v1 wrong.
    write("right", {0.9, 0.2, 0.8, 0.1, 0.7, 0.3, 0.6, 0.4});
    write("wrong", {0.4, 0.6, 0.8, 0.1, 0.7, 0.3, 0.6, 0.2});
  }

  /// `asd`: the probability of ASD of each video.
  void write(const std::string& name, const std::vector<double>& asd) const {
    std::string text = "FileName,PatientId,ClassName,p(Non-ASD),p(ASD)\n";
    for (std::size_t i = 0; i < asd.size(); ++i) {
      const std::string number = std::to_string(i);
      text += "v" + number + ".avi,P" + number + (i % 2 == 0 ? ",ASD," : ",Non-ASD,") +
              std::to_string(1 - asd[i]) + "," + std::to_string(asd[i]) + "\n";
    }
    testing::write_text(folder_ / (name + ".csv"), text);
  }
  Outcome evaluate(const std::vector<std::string>& more) const {
    std::vector<std::string> words = {
        "eval",          "classification", "--real", folder_ / "real", "--out",
        folder_ / "out", "--resamples",    "50",     "--device",       "cpu",
        "--quiet"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
  std::string arm(const std::string& name) const {
    return name + "=" + (folder_ / (name + ".csv"));
  }

  testing::TemporaryFolder folder_;
};

TEST_F(EvalClassificationVerb, PrintsScoresAndPairedTests) {
  const Outcome outcome = evaluate({"--arm", arm("right"), "--arm", arm("wrong")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* line :
       {"right: 1 classifier, 8 videos of 8 patients\n",
        "  accuracy           1.000 (0.631 to 1.000)",
        "  calibration_error  0.250 (no interval), expected if calibrated 0.",
        "wrong: 1 classifier, 8 videos of 8 patients\n", "  accuracy           0.750 (",
        "wrong against right: right where the other is wrong 0 to 2 times (McNemar p 0.500)",
        "classification.csv, comparisons.csv, predictions/ in "}) {
    EXPECT_THAT(outcome.out, HasSubstr(line));
  }
  EXPECT_TRUE(fs::exists(folder_ / "out/classification.csv"));
  EXPECT_TRUE(fs::exists(folder_ / "out/comparisons.csv"));
}

TEST_F(EvalClassificationVerb, ComparesTheArmsOfPairsInTextAndJson) {
  write("half", {0.9, 0.8, 0.9, 0.8, 0.7, 0.9, 0.6, 0.9});
  const std::vector<std::string> words = {"--arm",  arm("right"), "--arm",  arm("wrong"),
                                          "--arm",  arm("half"),  "--pair", "half:wrong",
                                          "--pair", "right:half"};
  const Outcome outcome = evaluate(words);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  // "wrong" has v0 and v1 wrong, "half" all of Non-ASD: v1, v3, v5, v7.
  EXPECT_THAT(outcome.out, HasSubstr("half against wrong: right where the other is wrong 1 to 3 "
                                     "times (McNemar p 0.625)"));
  EXPECT_THAT(outcome.out, HasSubstr("right against half: right where the other is wrong 4 to 0 "
                                     "times (McNemar p 0.125)"));
  std::vector<std::string> again = words;
  again.emplace_back("--again");
  again.emplace_back("--json");
  const json pairs = json::parse(evaluate(again).out)["comparisons"];
  ASSERT_EQ(pairs.size(), 4U);  // wrong and half against right, and those that were asked for
  EXPECT_EQ(pairs[2]["arm"], "half");
  EXPECT_EQ(pairs[2]["against"], "wrong");
  EXPECT_EQ(pairs[2]["mcnemar"]["only_against_right"], 3);
  EXPECT_DOUBLE_EQ(pairs[2]["mcnemar"]["p"].get<double>(), 0.625);
  EXPECT_NEAR(pairs[2]["differences"]["accuracy"]["estimate"].get<double>(), -0.25, 1e-12);
}

TEST_F(EvalClassificationVerb, TellsHardLabelAucsFromThoseOfScores) {
  const Outcome outcome =
      evaluate({"--arm", arm("right"), "--arm", arm("wrong"), "--auc-from", "labels"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\n  auc (hard labels)  0.750 ("));
  EXPECT_THAT(outcome.out, HasSubstr("AUC of scores 0.906 and 1.000 (DeLong p "));
  const Outcome scores = evaluate({"--arm", arm("wrong"), "--again"});
  EXPECT_THAT(scores.out, HasSubstr("\n  auc                0.906 ("));
}

TEST_F(EvalClassificationVerb, ATestThatSaysNothingIsADashAndAnEmptyCell) {
  write("same", {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5});
  const Outcome outcome = evaluate({"--arm", arm("right"), "--arm", arm("same")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("AUC of scores 0.500 and 1.000 (DeLong p -)\n"));
  EXPECT_THAT(read_file(folder_ / "out/comparisons.csv"), HasSubstr(",0.500000,1.000000,,scores,"));
  const json done = json::parse(read_file(folder_ / "out/classification.json"));
  EXPECT_TRUE(done["comparisons"][0]["delong"]["p"].is_null());
}

TEST_F(EvalClassificationVerb, PatientsWithSeveralVideosAreToldBesideThePairedTests) {
  const Outcome single = evaluate({"--arm", arm("right"), "--arm", arm("wrong")});
  EXPECT_THAT(single.out, Not(HasSubstr("take videos for independent")));
  auto studies = data::read_file_list(folder_ / "real/FileList.csv");
  studies[2].patient_id = "P0";
  data::write_file_list(folder_ / "real/FileList.csv", studies);
  const Outcome refused = evaluate({"--arm", arm("right"), "--again"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(last_line(refused.err), HasSubstr("'v2' is of patient 'P2' there"));
  for (const char* name : {"right", "wrong"}) {
    std::string text = read_file(folder_ / (std::string(name) + ".csv"));
    text.replace(text.find("v2.avi,P2"), 9, "v2.avi,P0");
    testing::write_text(folder_ / (std::string(name) + ".csv"), text);
  }
  const Outcome several = evaluate({"--arm", arm("right"), "--arm", arm("wrong"), "--again"});
  ASSERT_EQ(several.exit_code, 0) << several.err;
  EXPECT_THAT(several.out, HasSubstr("McNemar and DeLong take videos for independent, but 7 "
                                     "patients have 8 videos"));
}

TEST_F(EvalClassificationVerb, ASecondLookIsRefusedUnlessAskedForAndMarked) {
  ASSERT_EQ(evaluate({"--arm", arm("right")}).exit_code, 0);
  const Outcome refused = evaluate({"--arm", arm("right")});
  EXPECT_EQ(refused.exit_code, 2) << refused.err;
  EXPECT_THAT(last_line(refused.err), HasSubstr("--again"));
  const Outcome again = evaluate({"--arm", arm("right"), "--again"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr(", look 2 at this test split"));
}

TEST_F(EvalClassificationVerb, AnswersInJsonWithTheAucAsked) {
  const auto auc = [&](const std::string& from, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"--arm", arm("wrong"), "--auc-from", from, "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = evaluate(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const json done = json::parse(outcome.out);
    EXPECT_EQ(done["out"], folder_ / "out");
    EXPECT_EQ(done["auc_from"], from);
    return done["arms"][0]["scores"]["auc"]["estimate"].get<double>();
  };
  // Three of four of each class are called right. Of 16 pairs of probabilities 14 are in order, one
  // tied.
  EXPECT_DOUBLE_EQ(auc("labels"), 0.75);
  EXPECT_DOUBLE_EQ(auc("scores", {"--again"}), 14.5 / 16.0);
}

TEST_F(EvalClassificationVerb, WrongUseIsToldInOneLine) {
  const auto expect = [&](const std::vector<std::string>& more, int code, const char* text) {
    const Outcome outcome = evaluate(more);
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    EXPECT_THAT(last_line(outcome.err), HasSubstr(text));
  };
  expect({"--arm", "right"}, 2, "NAME=");
  expect({"--arm", arm("absent")}, 3, "absent.csv");
  expect({"--arm", arm("right"), "--auc-from", "ranks"}, 2, "labels");
  expect({"--arm", arm("right"), "--arm", arm("wrong"), "--pair", "right:absent"}, 2,
         "--pair 'right:absent' is not A:B with the names of two arms; the arms are right, wrong");
  expect({"--arm", arm("right"), "--split", "DEV"}, 3, "DEV");
  write("short", {0.9, 0.2});
  expect({"--arm", arm("short")}, 3, "short.csv");
  // None of them was a look.
  EXPECT_EQ(evaluate({"--arm", arm("right")}).exit_code, 0);
}

}  // namespace
}  // namespace echopath::cli
