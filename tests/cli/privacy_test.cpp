// Golden tests of `echopath filter` and `echopath eval privacy`: a copy of a training video among
// strangers, with the toy model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"
#include "echopath/data/dataset.hpp"
#include "evaluation/made_latents.hpp"

namespace echopath::cli {
namespace {

namespace fs = std::filesystem;
using evaluation::testing::drawn_latents;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::last_line;
using ::testing::MatchesRegex;
using testing::Outcome;
using testing::run;

class PrivacyVerbs : public ::testing::Test {
 protected:
  PrivacyVerbs() {
    std::vector<evaluation::testing::MadeLatents> real, synthetic;
    for (std::uint32_t i = 0; i < 6; ++i) {
      real.push_back({"train" + std::to_string(i), "TRAIN", drawn_latents(i, 18)});
      real.push_back({"val" + std::to_string(i), "VAL", drawn_latents(50 + i, 18)});
      real.push_back({"test" + std::to_string(i), "TEST", drawn_latents(70 + i, 18)});
    }
    synthetic.push_back({"new", "TRAIN", drawn_latents(90, 18)});
    synthetic.push_back({"copy", "TRAIN", drawn_latents(3, 18) + 0.02 * drawn_latents(91, 18)});
    evaluation::testing::write_latents(folder_.path() / "real", real, 16.0);
    evaluation::testing::write_latents(folder_.path() / "synthetic", synthetic, 16.0);
  }

  Outcome verb(std::vector<std::string> words, const std::vector<std::string>& more = {}) const {
    const std::string model = generation::testing::shared_toy_model().string();
    words.insert(words.end(),
                 {"--real", folder_ / "real", "--synthetic", folder_ / "synthetic", "--model",
                  model, "--out", folder_ / "out", "--device", "cpu", "--quiet"});
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_ / "out")) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  testing::TemporaryFolder folder_;
};

TEST_F(PrivacyVerbs, FilterKeepsTheStrangerAndSaysHowMany) {
  const Outcome outcome = verb({"filter"}, {"--threshold", "real", "--copy"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(
      outcome.out,
      MatchesRegex("kept 1 of 2 \\(similarity below 0\\.[0-9]+, real threshold\\)\n"
                   "of 6 real held-out videos 16\\.6667 % reach it\n"
                   "kept\\.csv, privacy_scores\\.csv, privacy_histogram\\.png in [^\n]+/out\n"));
  EXPECT_THAT(files(),
              ElementsAre("FileList.csv", "Latents", "filter.json", "filter_files.csv", "kept.csv",
                          "privacy_histogram.csv", "privacy_histogram.png", "privacy_scores.csv"));
  const auto kept = data::read_file_list(folder_ / "out/FileList.csv");
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].file_name, "new.avi");
  EXPECT_TRUE(fs::exists(folder_ / "out/Latents/new.safetensors"));
  EXPECT_FALSE(fs::exists(folder_ / "out/Latents/copy.safetensors"));
}

TEST_F(PrivacyVerbs, FilterAnswersInJson) {
  const Outcome outcome = verb({"filter"}, {"--tau", "0.5", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json done = json::parse(outcome.out);
  EXPECT_EQ(done["tau"], 0.5);
  EXPECT_EQ(done["tau_source"], "given");
  EXPECT_EQ(done["judged"], 2);
  EXPECT_EQ(done["out"], folder_ / "out");
}

TEST_F(PrivacyVerbs, OptionsGoBeforeThePublishedFilter) {
  const Outcome published = verb({"filter"}, {"--compat", "echonet-synthetic"});
  ASSERT_EQ(published.exit_code, 0) << published.err;
  EXPECT_THAT(published.out, HasSubstr("real threshold)\nof 6 real training frames 16.6667 % "
                                       "reach it\n"));
  const auto options = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"--compat", "echonet-synthetic", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = verb({"filter"}, words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    json written = json::parse(std::ifstream(folder_ / "out/filter.json"))["options"];
    written["training_frames"] = json::parse(outcome.out)["training_frames"];
    return written;
  };
  const json given = options({"--frames", "2", "--real-frames", "3"});
  EXPECT_EQ(given["frames"], 2);
  EXPECT_EQ(given["real_frames"], 3);
  EXPECT_EQ(given["training_frames"], 18);
  EXPECT_EQ(given["threshold"], "real");
  EXPECT_EQ(given["compatibility"]["privacy_split"], "TEST");
  EXPECT_EQ(options({})["real_frames"], 1);
  // The toy model's threshold is of frames stretched otherwise.
  const Outcome refused =
      verb({"filter"}, {"--compat", "echonet-synthetic", "--threshold", "model"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(last_line(refused.err), HasSubstr("its frames were stretched otherwise"));
}

TEST_F(PrivacyVerbs, AuditFlagsTheCopyAtBothLevels) {
  const Outcome outcome = verb({"eval", "privacy"}, {"--no-denoising", "--resamples", "50"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* line :
       {"2 synthetic videos, 6 training patients, 12 held-out ones\nframes (threshold 0.99",
        ", above which at most 14.2857 % of unseen real videos are expected)\n",
        "\nmotion (threshold ", "  memorised: 50.0 % (",
        "of the training patients (by chance at most 4.7619 %)", "  held-out real videos flagged: ",
        "  membership by similarity to the samples: AUC ", " % (no interval) (by guessing ",
        ", 6 members, 12 others\n", "privacy.json, privacy_audit.csv, privacy_histogram.png in "}) {
    EXPECT_THAT(outcome.out, HasSubstr(line));
  }
  EXPECT_THAT(files(), ::testing::IsSupersetOf({"privacy.json", "privacy_audit.csv",
                                                "privacy_histogram.png", "motion_histogram.png"}));

  const Outcome again =
      verb({"eval", "privacy"}, {"--no-denoising", "--resamples", "50", "--json"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  const json found = json::parse(again.out);
  EXPECT_EQ(found["frames"]["flagged_samples"]["estimate"], 0.5);
  EXPECT_EQ(found["motion"]["flagged_samples"]["estimate"], 0.5);
  EXPECT_EQ(found["frames"]["calibrating"], 6);
  EXPECT_NEAR(found["frames"]["expected_rate"], 1.0 / 7.0, 1e-12);
  // Six values cannot hold 5 %.
  EXPECT_THAT(again.err, HasSubstr("only 6 VAL videos: up to 14.3 % of unseen real videos"));
  // Twelve others cannot hold 1 %.
  EXPECT_THAT(again.err, HasSubstr("similarity of frames: fewer than 100 held-out videos (12)"));
  EXPECT_TRUE(found["frames"]["membership_by_similarity"]["tpr"]["low"].is_null());
  EXPECT_EQ(found["warnings"].size(), 4U);
}

TEST_F(PrivacyVerbs, WrongUseIsToldInOneLine) {
  const auto expect = [&](const std::vector<std::string>& words,
                          const std::vector<std::string>& more, int code, const char* text) {
    const Outcome outcome = verb(words, more);
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(last_line(outcome.err), HasSubstr(text));
  };
  expect({"filter"}, {"--compat", "echonet"}, 2, "echonet-synthetic is known");
  expect({"filter"}, {"--set", "compatibility.privacy_split=TRAIN"}, 2, "one of VAL|TEST");
  expect({"filter"}, {"--percentile", "101"}, 2, "percentile");
  expect({"filter"}, {"--tau", "nan"}, 2, "--tau must be a finite number");
  expect({"eval", "privacy"}, {"--calibration", "DEV"}, 2, "one of VAL|TEST");
  expect({"eval", "privacy"}, {"--fpr", "2"}, 2, "false_positive_rate");
  testing::write_text(folder_ / "out/mine.txt", "kept");
  expect({"filter"}, {}, 2, "the filter did not write");
  expect({"eval", "privacy"}, {}, 2, "the audit did not write");
  EXPECT_TRUE(fs::exists(folder_ / "out/mine.txt"));
}

}  // namespace
}  // namespace echopath::cli
