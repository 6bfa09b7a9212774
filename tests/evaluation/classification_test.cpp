#include "echopath/evaluation/classification.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/random.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/evaluation/predictions.hpp"
#include "echopath/evaluation/test_looks.hpp"
#include "echopath/io/csv.hpp"
#include "echopath/io/video.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::HasSubstr;

constexpr int kSide = 16;

class ClassificationTest : public ::testing::Test {
 protected:
  ClassificationTest() {
    for (int i = 0; i < 16; ++i) {
      data::Study study;
      study.file_name = "v" + std::to_string(i) + ".avi";
      study.class_name = i % 2 == 0 ? "Non-ASD" : "ASD";
      study.patient_id = "P" + std::to_string(i / 4 * 2 + i % 2);  // two videos of each
      study.split = i < 4 ? "TRAIN" : "TEST";
      study.fps = 8;
      study.number_of_frames = 4;
      studies_.push_back(study);
    }
    studies_.push_back(studies_.back());
    studies_.back().file_name = "other.avi";
    studies_.back().class_name = "PAH";
    studies_.back().patient_id = "PX";
  }

  /// Videos of class ASD are brighter, by `contrast` grey levels.
  ClassificationEvaluation options(int contrast = 100) {
    for (std::size_t i = 0; i < studies_.size(); ++i) {
      io::Frames frames;
      frames.count = 4;
      frames.height = frames.width = kSide;
      frames.fps = 8;
      const at::Tensor noise = normal_tensor(
          {4 * kSide * kSide}, {8, Stream::kDataset, static_cast<std::uint32_t>(i), 0});
      const double mean = 80 + (studies_[i].class_name == "ASD" ? contrast : 0);
      const at::Tensor grey = (noise * 10 + mean).clamp(0, 255).to(at::kByte).contiguous();
      frames.pixels.assign(grey.const_data_ptr<std::uint8_t>(),
                           grey.const_data_ptr<std::uint8_t>() + grey.numel());
      io::write_video(folder_.path() / "real/Videos" / studies_[i].file_name, frames);
    }
    data::write_file_list(folder_.path() / "real/FileList.csv", studies_);
    ClassificationEvaluation options;
    options.real = (folder_.path() / "real").string();
    options.out = (folder_.path() / "out").string();
    options.bootstrap.resamples = 50;
    options.device = "cpu";
    return options;
  }

  /// A CSV of predictions for the twelve test videos; `skill` moves them towards the truth.
  std::string predictions(const std::string& name, double skill, std::uint32_t seed) {
    Predictions made;
    made.classes = {"Non-ASD", "ASD"};
    for (const data::Study& study : studies_) {
      if (study.split != "TEST" || study.class_name == "PAH") continue;
      made.names.push_back(study.file_name);
      made.patients.push_back(study.patient_id);
      made.labels.push_back(study.class_name == "ASD" ? 1 : 0);
      const double u = uniform_number({seed, Stream::kDataset, 0, 0},
                                      static_cast<std::uint32_t>(made.names.size()));
      const double truth = static_cast<double>(made.labels.back());
      const double p = skill * truth + (1 - skill) * u;
      made.probabilities.push_back({1 - p, p});
    }
    const fs::path csv = folder_.path() / (name + ".csv");
    write_predictions(csv, made);
    return csv.string();
  }

  static std::string message(const ClassificationEvaluation& options) {
    try {
      evaluate_classification(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  TemporaryDirectory folder_;
  std::vector<data::Study> studies_;
};

TEST_F(ClassificationTest, GivesMeanSpreadAndIntervalOfAnArm) {
  ClassificationEvaluation asked = options();
  asked.arms = {{"real", {predictions("a", 0.1, 1), predictions("b", 0.4, 2)}},
                {"perfect", {predictions("c", 1.0, 3)}}};
  const ClassificationResult done = evaluate_classification(asked);
  ASSERT_EQ(done.arms.size(), 2U);
  const ArmResult& real = done.arms[0];
  EXPECT_EQ(real.videos, 12);
  EXPECT_EQ(real.patients, 6);
  for (std::size_t k = 0; k < real.mean.size(); ++k) {
    const double a = real.by_source[0][k], b = real.by_source[1][k];
    EXPECT_NEAR(real.mean[k], (a + b) / 2, 1e-12);
    EXPECT_NEAR(real.deviation[k], std::abs(a - b) / std::sqrt(2.0), 1e-12);
  }
  EXPECT_EQ(done.arms[1].mean[0], 1.0);
  // All right of six patients, three of each class, is not certain: Clopper and Pearson's bounds.
  EXPECT_NEAR(done.arms[1].intervals[0].low, std::pow(0.025, 1.0 / 6), 1e-9);
  EXPECT_NEAR(done.arms[1].intervals[5].low, std::pow(0.025, 1.0 / 3), 1e-9);
  EXPECT_EQ(done.arms[1].intervals[0].high, 1.0);
  EXPECT_LT(real.intervals[0].low, real.intervals[0].high);
  ASSERT_EQ(done.comparisons.size(), 1U);
  EXPECT_EQ(done.comparisons[0].mcnemar.only_b, 0);
  EXPECT_GT(done.comparisons[0].differences[0].estimate, 0.0);
  const io::CsvTable table = io::read_csv(folder_.path() / "out/classification.csv");
  EXPECT_EQ(table.rows[1][static_cast<std::size_t>(table.require_column("Arm"))], "perfect");
  EXPECT_EQ(table.rows[1][static_cast<std::size_t>(table.require_column("accuracy"))], "1.000000");
  EXPECT_TRUE(fs::exists(folder_.path() / "out/predictions/real_2.csv"));
}

TEST_F(ClassificationTest, TheCalibrationErrorHasNoBoundsButWhatACalibratedOneWouldHave) {
  ClassificationEvaluation asked = options();
  asked.arms = {{"real", {predictions("a", 0.1, 1), predictions("b", 0.4, 2)}},
                {"perfect", {predictions("c", 1.0, 3)}}};
  const ClassificationResult done = evaluate_classification(asked);
  constexpr std::size_t kCalibrationError = 7;
  ASSERT_EQ(score_names()[kCalibrationError], "calibration_error");
  const Interval& error = done.arms[0].intervals[kCalibrationError];
  EXPECT_EQ(error.estimate, done.arms[0].mean[kCalibrationError]);
  EXPECT_TRUE(std::isnan(error.low));
  EXPECT_TRUE(std::isnan(error.high));
  const double a = calibration_error_if_calibrated(read_predictions(asked.arms[0].sources[0]));
  const double b = calibration_error_if_calibrated(read_predictions(asked.arms[0].sources[1]));
  EXPECT_NEAR(done.arms[0].calibration_error_if_calibrated, (a + b) / 2, 1e-9);
  EXPECT_GT(done.arms[0].calibration_error_if_calibrated, 0.05);
  EXPECT_EQ(done.arms[1].calibration_error_if_calibrated, 0.0);
  EXPECT_TRUE(std::isnan(done.comparisons[0].differences[kCalibrationError].low));
  EXPECT_FALSE(std::isnan(done.comparisons[0].differences[kCalibrationError].estimate));
  const config::Json json =
      config::read_json((folder_.path() / "out/classification.json").string());
  const config::Json& arm = json.at("arms")[0];
  EXPECT_TRUE(arm.at("scores").at("calibration_error").at("low").is_null());
  EXPECT_EQ(arm.at("calibration_error_if_calibrated"),
            done.arms[0].calibration_error_if_calibrated);
  EXPECT_TRUE(
      json.at("comparisons")[0].at("differences").at("calibration_error").at("high").is_null());
  const io::CsvTable table = io::read_csv(folder_.path() / "out/classification.csv");
  EXPECT_EQ(table.rows[0][static_cast<std::size_t>(table.require_column("calibration_error_low"))],
            "");
}

TEST_F(ClassificationTest, ComparesPairsThatAreAskedForBesideThoseWithTheFirstArm) {
  ClassificationEvaluation asked = options();
  asked.arms = {{"real", {predictions("a", 0.1, 1)}},
                {"ours", {predictions("b", 1.0, 2)}},
                {"w: 5", {predictions("c", 0.0, 3)}}};
  asked.pairs = {"w: 5:ours", "ours:real", "w: 5:ours"};  // the second one is made anyway
  const ClassificationResult done = evaluate_classification(asked);
  ASSERT_EQ(done.comparisons.size(), 3U);
  EXPECT_EQ(done.comparisons[0].arm, "ours");
  EXPECT_EQ(done.comparisons[1].against, "real");
  const ArmComparison& pair = done.comparisons[2];
  EXPECT_EQ(pair.arm, "w: 5");
  EXPECT_EQ(pair.against, "ours");
  // "ours" is right in all twelve, so that what differs is what the other has wrong.
  const double wrong = 1 - done.arms[2].mean[0];
  ASSERT_GT(wrong, 0.0);
  EXPECT_EQ(pair.mcnemar.only_a, 0);
  EXPECT_EQ(pair.mcnemar.only_b, std::llround(12 * wrong));
  EXPECT_NEAR(pair.differences[0].estimate, -wrong, 1e-12);
  EXPECT_EQ(pair.delong.auc_b, 1.0);
  const io::CsvTable table = io::read_csv(folder_.path() / "out/comparisons.csv");
  ASSERT_EQ(table.rows.size(), 3U);
  EXPECT_EQ(table.rows[2][static_cast<std::size_t>(table.require_column("Arm"))], "w: 5");
  EXPECT_EQ(table.rows[2][static_cast<std::size_t>(table.require_column("Against"))], "ours");
}

TEST_F(ClassificationTest, APairMustNameTwoArms) {
  ClassificationEvaluation asked = options();
  asked.arms = {{"real", {predictions("a", 0.3, 1)}}, {"ours", {predictions("b", 0.5, 2)}}};
  for (const char* pair : {"ours:theirs", "ours", "ours:ours", ":real", ""}) {
    asked.pairs = {"ours:real", pair};
    expect_error<UsageError>([&] { evaluate_classification(asked); },
                             "is not A:B with the names of two arms; the arms are real, ours");
  }
  EXPECT_FALSE(fs::exists(fs::path(asked.real) / "test_looks.jsonl"));
}

TEST_F(ClassificationTest, ArmsThatNeverDifferHaveADifferenceWithBothBounds) {
  ClassificationEvaluation asked = options();
  asked.arms = {{"one", {predictions("a", 1.0, 1)}}, {"other", {predictions("b", 1.0, 2)}}};
  const Interval difference = evaluate_classification(asked).comparisons[0].differences[0];
  EXPECT_EQ(difference.estimate, 0.0);
  EXPECT_NEAR(difference.high, 1 - std::pow(0.025, 1.0 / 6), 1e-9);
  EXPECT_NEAR(difference.low, -difference.high, 1e-12);
}

TEST_F(ClassificationTest, ALookIsRecordedBesideTheDatasetAndASecondOneMustBeAsked) {
  ClassificationEvaluation asked = options();
  const std::string csv = predictions("a", 0.3, 1);
  asked.arms = {{"real", {csv}}};
  EXPECT_EQ(evaluate_classification(asked).arms[0].look, 1);
  const TestLooks looks(fs::path(asked.real) / "test_looks.jsonl");
  ASSERT_EQ(looks.looks().size(), 1U);
  EXPECT_EQ(looks.looks()[0].arm, "real");
  EXPECT_EQ(looks.looks()[0].videos, 12);
  EXPECT_EQ(looks.looks()[0].sources[0], sha256_file(csv));
  EXPECT_THAT(message(asked), HasSubstr("has been judged on TEST"));
  asked.arms[0].name = "renamed";  // the same predictions under another name
  EXPECT_THAT(message(asked), HasSubstr("--again"));
  asked.again = true;
  const ClassificationResult second = evaluate_classification(asked);
  EXPECT_EQ(second.arms[0].look, 2);
  const io::CsvTable table = io::read_csv(folder_.path() / "out/classification.csv");
  EXPECT_EQ(table.rows[0][static_cast<std::size_t>(table.require_column("Look"))], "2");
}

TEST_F(ClassificationTest, RunsTheClassifierOnTheMiddleClips) {
  // A network whose answer is the mean brightness: the ASD videos are the brighter ones.
  models::ClassifierConfig config;
  config.architecture = "resnet50";
  config.classes = {"Non-ASD", "ASD"};
  config.clip.sample_size = kSide;
  config.clip.frames = 2;
  config.clip.fps = 8;
  config.clip.mean = {0.5};
  config.clip.deviation = {0.5};
  config.image.in_channels = 1;
  config.image.width = 4;
  config.image.depths = {1, 1, 1, 1};
  config.image.block = "basic";
  torch::manual_seed(2);
  const models::Classifier classifier(config);
  (*classifier).eval();
  models::save_component(
      folder_.path() / "model",
      {"classifier", "Classifier", config::dump(config::visit_of(config)), at::kFloat},
      *classifier);
  models::update_model_info(folder_.path() / "model", [](models::ModelInfo&) {});
  ClassificationEvaluation asked = options();
  asked.arms = {{"net", {(folder_.path() / "model").string() + ":classifier"}}};
  const ClassificationResult done = evaluate_classification(asked);
  EXPECT_EQ(done.arms[0].videos, 12);  // the PAH video is left out
  ASSERT_EQ(done.arms[0].sources.size(), 1U);
  EXPECT_EQ(done.arms[0].sources[0].text, asked.arms[0].sources[0]);
  EXPECT_EQ(done.arms[0].sources[0].sha256,
            models::ModelDirectory::open(folder_.path() / "model").component_hash("classifier"));
  const Predictions found = read_predictions(folder_.path() / "out/predictions/net_1.csv");
  const io::Frames frames = io::read_video(folder_.path() / "real/Videos/v4.avi");
  at::Tensor clip = at::empty({1, 2, kSide, kSide});
  for (int i = 0; i < 2; ++i) {
    for (int p = 0; p < kSide * kSide; ++p) {
      clip.view({2, -1})[i][p] = static_cast<float>(frames.frame(1 + i)[p]);
    }
  }
  const at::NoGradGuard no_grad;
  const at::Tensor expected = classifier.log_probabilities(clip).exp()[0];
  EXPECT_EQ(found.names[0], "v4");
  EXPECT_NEAR(found.probabilities[0][1], expected[1].item<double>(), 1e-5);
}

TEST_F(ClassificationTest, RowsOfACsvMayStandInAnyOrderAndLeaveThePatientOut) {
  ClassificationEvaluation asked = options();
  const std::string csv = predictions("a", 0.3, 1);
  asked.arms = {{"sorted", {csv}}};
  const ArmResult sorted = evaluate_classification(asked).arms[0];
  Predictions turned = read_predictions(csv);
  std::reverse(turned.names.begin(), turned.names.end());
  std::reverse(turned.labels.begin(), turned.labels.end());
  std::reverse(turned.probabilities.begin(), turned.probabilities.end());
  turned.patients.assign(turned.size(), "");
  const fs::path other = folder_.path() / "turned.csv";
  write_predictions(other, turned);
  asked.arms = {{"turned", {other.string()}}};
  const ArmResult again = evaluate_classification(asked).arms[0];
  EXPECT_EQ(again.patients, 6);
  EXPECT_EQ(again.mean, sorted.mean);
  EXPECT_EQ(again.intervals[0].low, sorted.intervals[0].low);
}

TEST_F(ClassificationTest, ACsvMustHoldEachTestVideoOnceWithItsPatient) {
  ClassificationEvaluation asked = options();
  const Predictions whole = read_predictions(predictions("a", 0.3, 1));
  const fs::path bad = folder_.path() / "bad.csv";
  asked.arms = {{"x", {bad.string()}}};
  const auto told = [&](const std::function<void(Predictions&)>& change) {
    Predictions changed = whole;
    change(changed);
    write_predictions(bad, changed);
    return message(asked);
  };
  EXPECT_THAT(told([](Predictions& p) {
                p.names.push_back(p.names[1]);
                p.patients.push_back(p.patients[1]);
                p.labels.push_back(p.labels[1]);
                p.probabilities.push_back(p.probabilities[1]);
              }),
              HasSubstr("bad.csv: row 14: 'v5' stands in row 3 already"));
  EXPECT_THAT(told([](Predictions& p) {
                p.names.erase(p.names.begin() + 4, p.names.begin() + 6);
                p.patients.erase(p.patients.begin() + 4, p.patients.begin() + 6);
                p.labels.erase(p.labels.begin() + 4, p.labels.begin() + 6);
                p.probabilities.erase(p.probabilities.begin() + 4, p.probabilities.begin() + 6);
              }),
              HasSubstr("2 of the 12 videos of Non-ASD, ASD"));
  EXPECT_THAT(told([](Predictions& p) { p.patients[2] = "P5"; }),
              HasSubstr("row 4: 'v6' is of patient 'P5' there, but of patient 'P2' in"));
  EXPECT_FALSE(fs::exists(fs::path(asked.real) / "test_looks.jsonl"));
}

TEST_F(ClassificationTest, BadInputIsTold) {
  ClassificationEvaluation asked = options();
  const std::string csv = predictions("a", 0.3, 1);
  asked.arms = {{"x", {csv}}, {"x", {csv}}};
  EXPECT_THAT(message(asked), HasSubstr("two arms are named 'x'"));
  asked.arms = {{"x", {"nowhere"}}};
  EXPECT_THAT(message(asked), HasSubstr("MODEL_DIR:COMPONENT"));
  asked.auc_from = "ranks";
  EXPECT_THAT(message(asked), HasSubstr("scores or labels"));
  asked.auc_from = "scores";
  asked.split = "VAL";
  EXPECT_THAT(message(asked), HasSubstr("VAL"));
  asked.split = "TEST";
  asked.out = asked.real;
  EXPECT_THAT(message(asked), HasSubstr("did not write"));
  asked.out = (folder_.path() / "out").string();
  const fs::path bad = folder_.path() / "bad.csv";
  const std::string head = "FileName,PatientId,ClassName,p(Non-ASD),p(ASD)\n";
  asked.arms = {{"x", {bad.string()}}};
  write_file(bad, head + "v4.avi,P2,Non-ASD,0.5,nan\nv5.avi,P3,ASD,0.5,0.5\n");
  EXPECT_THAT(message(asked), HasSubstr("'v4' are not numbers from 0 to 1"));
  write_file(bad, head + "v4.avi,P2,Non-ASD,0.5,0.5\n");
  EXPECT_THAT(message(asked), HasSubstr("at least two videos, there are 1"));
  write_file(bad, head + "v4.avi,P2,Non-ASD,0.5,0.5\nv6.avi,P2,Non-ASD,0.5,0.5\n");
  EXPECT_THAT(message(asked), HasSubstr("no video is of class 'ASD'"));
  write_file(bad, head + "v4.avi,P2,Non-ASD,0.5,0.5\nv99.avi,P2,ASD,0.5,0.5\n");
  EXPECT_THAT(message(asked), HasSubstr("'v99' of class 'ASD' is not among the videos"));
  write_file(bad, head + "v4.avi,P2,Other,0.5,0.5\nv5.avi,P3,ASD,0.5,0.5\n");
  EXPECT_THAT(message(asked), HasSubstr("row 2: class 'Other' has no column p(Other)"));
  studies_[5].patient_id = "P0";  // a patient of TRAIN
  asked = options();
  asked.arms = {{"x", {csv}}};
  EXPECT_THAT(message(asked), HasSubstr("P0"));
}

TEST(ParseArm, TakesANameAndItsSources) {
  const ClassificationArm arm = parse_arm("real + synthetic=a:c, b.csv");
  EXPECT_EQ(arm.name, "real + synthetic");
  EXPECT_THAT(arm.sources, ::testing::ElementsAre("a:c", "b.csv"));
  EXPECT_THROW(parse_arm("real"), UsageError);
  EXPECT_THROW(parse_arm("=a"), UsageError);
  EXPECT_THROW(parse_arm("a/b=c"), UsageError);
}

}  // namespace
}  // namespace echopath::evaluation
