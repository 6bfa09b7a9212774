#include "echopath/evaluation/privacy_audit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/csv.hpp"
#include "evaluation/made_latents.hpp"
#include "evaluation/privacy_features.hpp"

namespace echopath::evaluation {
namespace {

namespace toy = generation::testing;
using ::testing::HasSubstr;

at::Tensor drawn(std::uint32_t number, std::int64_t frames) {
  return testing::drawn_latents(number, frames);
}

class PrivacyAuditTest : public ::testing::Test {
 protected:
  void add(const std::string& folder, const std::string& name, const std::string& split,
           const at::Tensor& mean, const std::string& patient = "") {
    lists_[folder].push_back({name, split, mean, patient});
  }

  PrivacyAuditOptions options() {
    for (const auto& [folder, videos] : lists_) {
      testing::write_latents(folder_.path() / folder, videos, 16.0);
    }
    PrivacyAuditOptions options;
    options.real = (folder_.path() / "real").string();
    options.synthetic = (folder_.path() / "synthetic").string();
    options.model = toy::shared_toy_model().string();
    options.out = (folder_.path() / "out").string();
    options.statistics.resamples = 20;
    options.noise_levels = 2;
    options.device = "cpu";
    return options;
  }

  void add_usual() {
    for (std::uint32_t i = 0; i < 5; ++i) {
      add("real", "train" + std::to_string(i), "TRAIN", drawn(i, 18));
      add("real", "val" + std::to_string(i), "VAL", drawn(50 + i, 18));
      add("real", "test" + std::to_string(i), "TEST", drawn(70 + i, 18));
    }
    add("synthetic", "new", "TRAIN", drawn(90, 18));
    add("synthetic", "copy", "TRAIN", drawn(3, 18) + 0.02 * drawn(91, 18));
    add("synthetic", "short", "TRAIN", drawn(92, 6));
  }

  TemporaryDirectory folder_;
  std::map<std::string, std::vector<testing::MadeLatents>> lists_;
};

TEST_F(PrivacyAuditTest, NamesTheCopiedPatientAtBothLevels) {
  add_usual();
  const PrivacyAudit found = run_privacy_audit(options());
  EXPECT_EQ(found.training_patients, 5);
  EXPECT_EQ(found.held_out_patients, 10);
  EXPECT_THAT(found.short_videos, ::testing::ElementsAre("short.avi"));
  const io::CsvTable table = io::read_csv(folder_.path() / "out/privacy_audit.csv");
  const auto cell = [&](std::size_t row, const char* name) {
    return table.rows[row][static_cast<std::size_t>(table.require_column(name))];
  };
  EXPECT_EQ(cell(1, "FramePatient"), "train3");
  EXPECT_EQ(cell(1, "FrameFlagged"), "1");
  EXPECT_EQ(cell(1, "MotionNearest"), "train3.avi");
  EXPECT_EQ(cell(1, "MotionFlagged"), "1");
  // Every frame and clip of the copy is most like the same one of its original.
  EXPECT_EQ(cell(1, "FrameAt"), cell(1, "FrameNearestAt"));
  EXPECT_EQ(cell(1, "MotionAt"), cell(1, "MotionNearestAt"));
  EXPECT_GT(std::stod(cell(1, "MotionSimilarity")), 0.99);
  EXPECT_EQ(cell(0, "MotionFlagged"), "0");
  EXPECT_EQ(cell(2, "MotionSimilarity"), "");
  EXPECT_EQ(cell(2, "MotionNearestAt"), "");
  EXPECT_TRUE(found.denoising.contains("lidm"));
  EXPECT_TRUE(found.denoising.contains("lvdm"));
  EXPECT_EQ(found.denoising.at("lvdm").members, 5);
  const config::Json json = config::read_json((folder_.path() / "out/privacy.json").string());
  EXPECT_EQ(json.at("synthetic"), 3);
  EXPECT_TRUE(fs::is_regular_file(folder_.path() / "out/motion_histogram.png"));
}

TEST_F(PrivacyAuditTest, TellsWhereTwoVideosAreAlike) {
  add_usual();
  // Frame 2 of the sample is frame 15 of a training video; 18 frames are looked at.
  at::Tensor stranger = drawn(93, 18);
  stranger.slice(0, 2, 3).copy_(drawn(4, 18).slice(0, 15, 16));
  add("synthetic", "one_frame", "TRAIN", stranger);
  PrivacyAuditOptions asked = options();
  asked.denoising = false;
  asked.frames = 18;
  run_privacy_audit(asked);
  const io::CsvTable table = io::read_csv(folder_.path() / "out/privacy_audit.csv");
  const auto cell = [&](const char* name) {
    return table.rows[3][static_cast<std::size_t>(table.require_column(name))];
  };
  EXPECT_EQ(cell("FrameNearest"), "train4.avi");
  EXPECT_EQ(cell("FrameAt"), "2");
  EXPECT_EQ(cell("FrameNearestAt"), "15");
}

TEST_F(PrivacyAuditTest, RecordsWhatItsFiguresDependOn) {
  add_usual();
  PrivacyAuditOptions asked = options();
  asked.statistics.seed = 7;
  run_privacy_audit(asked);
  config::Json json = config::read_json((folder_.path() / "out/privacy.json").string());
  const models::ModelDirectory model = models::ModelDirectory::open(asked.model);
  for (const char* network : {"reid", "vae", "lidm", "lvdm"}) {
    EXPECT_EQ(json.at(std::string(network) + "_sha256"), model.component_hash(network)) << network;
  }
  EXPECT_EQ(json.at("seed"), 7);
  EXPECT_EQ(json.at("options").at("false_positive_rate"), 0.05);
  // Networks that were not asked are not named.
  asked.denoising = false;
  run_privacy_audit(asked);
  json = config::read_json((folder_.path() / "out/privacy.json").string());
  EXPECT_FALSE(json.contains("lidm_sha256"));
}

TEST_F(PrivacyAuditTest, WarnsWhereTooFewVideosCalibrateForTheRate) {
  add_usual();
  PrivacyAuditOptions asked = options();
  asked.denoising = false;
  asked.statistics.membership_rate = 0.1;
  const PrivacyAudit few = run_privacy_audit(asked);
  ASSERT_EQ(few.warnings.size(), 2U);
  EXPECT_EQ(few.warnings[0],
            "the threshold of the frames is the largest similarity of only 5 VAL videos: up to "
            "16.7 % of unseen real videos are expected above it, not 5 %; give 19 or more, or a "
            "higher --fpr");
  EXPECT_THAT(few.warnings[1], HasSubstr("the threshold of the motion is"));
  EXPECT_NEAR(few.frames.expected_rate, 1.0 / 6.0, 1e-12);
  EXPECT_EQ(config::read_json((folder_.path() / "out/privacy.json").string()).at("warnings")[0],
            few.warnings[0]);
  asked.statistics.false_positive_rate = 0.2;
  EXPECT_TRUE(run_privacy_audit(asked).warnings.empty());
}

TEST_F(PrivacyAuditTest, WarnsWhereTooFewVideosAreHeldOutForAnInterval) {
  add_usual();
  PrivacyAuditOptions asked = options();
  asked.statistics.false_positive_rate = 0.2;
  const std::string rest =
      ": fewer than 100 held-out videos (10), of which not one may be a false alarm at 1 %: the "
      "share of members found has no interval";
  EXPECT_THAT(run_privacy_audit(asked).warnings,
              ::testing::ElementsAre("membership by similarity of frames" + rest,
                                     "membership by similarity of motion" + rest,
                                     "membership by denoising loss of the lidm" + rest,
                                     "membership by denoising loss of the lvdm" + rest));
  const config::Json json = config::read_json((folder_.path() / "out/privacy.json").string());
  const config::Json& rate = json.at("frames").at("membership_by_similarity").at("tpr");
  EXPECT_TRUE(rate.at("estimate").is_number());
  EXPECT_TRUE(rate.at("low").is_null());
}

TEST_F(PrivacyAuditTest, LeavesTheMotionOutWhereVideosAreTooShortForIt) {
  for (std::uint32_t i = 0; i < 3; ++i) {
    const std::string number = std::to_string(i);
    add("real", "train" + number, "TRAIN", drawn(i, i == 0 ? 2 : 18));
    add("real", "val" + number, "VAL", drawn(50 + i, i == 0 ? 18 : 2));
    add("real", "test" + number, "TEST", drawn(70 + i, 18));
    add("synthetic", "new" + number, "TRAIN", drawn(90 + i, 18));
  }
  const PrivacyAudit found = run_privacy_audit(options());
  EXPECT_FALSE(found.motion);
  EXPECT_EQ(found.frames.calibrating, 3);
  EXPECT_THAT(found.warnings,
              ::testing::Contains("no audit of motion, which needs of videos of a second or more "
                                  "at least two synthetic videos, two training patients, two "
                                  "held-out patients and two held-out videos to take the "
                                  "threshold from; there are 3, 2, 4 and 1"));
  const config::Json json = config::read_json((folder_.path() / "out/privacy.json").string());
  EXPECT_TRUE(json.at("motion").is_null());
  EXPECT_EQ(json.at("short_videos"), config::Json::array());
  EXPECT_EQ(json.at("short_training_videos"), config::Json({"train0.avi"}));
  EXPECT_EQ(json.at("short_held_out_videos"), config::Json({"val1.avi", "val2.avi"}));
  // They are as short for the LVDM's loss, whose other videos stand.
  EXPECT_EQ(json.at("denoising_short_videos").at("lvdm").at("members"),
            config::Json({"train0.avi"}));
  EXPECT_EQ(json.at("membership_by_denoising").at("lvdm").at("non_members"), 4);
}

TEST_F(PrivacyAuditTest, RefusesWhatItCannotAudit) {
  const auto message = [](const PrivacyAuditOptions& options) -> std::string {
    try {
      run_privacy_audit(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  add_usual();
  PrivacyAuditOptions asked = options();
  asked.denoising = false;
  asked.out = asked.real;
  EXPECT_THAT(message(asked), HasSubstr("the audit did not write"));
  const auto sampled = lists_["synthetic"];
  lists_["synthetic"].resize(1);
  fs::remove_all(folder_.path() / "synthetic");
  asked = options();
  EXPECT_THAT(message(asked), HasSubstr("synthetic' holds a single video"));
  lists_["synthetic"] = sampled;
  add("real", "again", "TEST", drawn(95, 18), "train1");
  asked = options();
  EXPECT_THAT(message(asked), HasSubstr("patient 'train1' is in TRAIN and in TEST"));
  for (testing::MadeLatents& video : lists_["real"]) video.split = "TRAIN";
  asked = options();
  EXPECT_THAT(message(asked), HasSubstr("no video in split VAL"));
}

TEST(MotionFeatures, DoNotSeeWhatStandsStill) {
  const at::Tensor movement = drawn(1, 16);
  const at::Tensor still = drawn(2, 1).expand_as(movement);
  EXPECT_TRUE(
      at::allclose(motion_features(movement + still), motion_features(movement), 1e-4, 1e-5));
  EXPECT_EQ(motion_features(movement).size(0), 16 * 4 * 7 * 7);
  EXPECT_LT(motion_features(still).abs().max().item<double>(), 1e-6);
}

TEST(MotionFeatures, ClipsStartEveryQuarterSecondInTheFirstTwo) {
  // 32 frames a second: every second frame, starts at 0, 8, 16, 24 and 32.
  const auto clips = motion_clips(300, 32.0);
  ASSERT_EQ(clips.size(), 5U);
  EXPECT_EQ(clips[1].front(), 8);
  EXPECT_EQ(clips[1][1], 10);
  EXPECT_EQ(clips[4].back(), 62);
  EXPECT_EQ(motion_clips(32, 32.0).size(), 1U);
  EXPECT_TRUE(motion_clips(30, 32.0).empty());
}

}  // namespace
}  // namespace echopath::evaluation
