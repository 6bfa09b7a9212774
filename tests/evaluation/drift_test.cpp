// Drift and paired comparison, with the features of a classifier that knows nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/evaluation/compare_report.hpp"
#include "echopath/evaluation/drift_report.hpp"
#include "echopath/evaluation/video_set.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/io/video.hpp"
#include "echopath/models/model_directory.hpp"
#include "evaluation/phantom_video.hpp"
#include "generation/toy_model.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::HasSubstr;
using testing::phantom_video;
using ::testing::ThrowsMessage;

constexpr std::int64_t kBlock = 8;
constexpr int kVideos = 6;

/// Sets of phantoms and a toy classifier.
class FrameFeatures : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new generation::testing::TemporaryFolder();
    torch::manual_seed(1);
    models::ClassifierConfig config;
    config.architecture = "resnet50";
    config.classes = {"Non-ASD", "ASD"};
    config.image = {1, 4, {1, 1, 1, 1}, "basic"};
    config.clip.mean = {0.2};
    config.clip.deviation = {0.2};
    config.clip.frames = 2;
    const models::Classifier network(config);
    models::save_component(*folder_ / "model",
                           {"classifier_asd", "Classifier", config::dump(config::visit_of(config))},
                           *network);
    write("real", 200, {1.0, 1.0, 1.0});
    write("even", 300, {1.0, 1.0, 1.0});
    write("fading", 300, {1.0, 0.8, 0.5});
  }
  static void TearDownTestSuite() { delete folder_; }

  /// Phantoms whose first eight frames come three times, each time scaled.
  static void write(const std::string& name, std::uint64_t seed, const std::vector<double>& scale) {
    std::vector<data::Study> studies;
    std::string manifest;
    for (int i = 0; i < kVideos; ++i) {
      const std::string class_name = i % 2 == 0 ? "ASD" : "Non-ASD";
      const io::Frames frames =
          phantom_video(class_name, seed + static_cast<std::uint64_t>(i), kBlock).frames;
      io::Frames video = frames;
      video.count = 0;
      video.pixels.clear();
      for (const double factor : scale) {
        for (const std::uint8_t pixel : frames.pixels) {
          video.pixels.push_back(static_cast<std::uint8_t>(factor * pixel));
        }
        video.count += kBlock;
      }
      data::Study study;
      study.file_name = "v" + std::to_string(i) + ".avi";
      study.class_name = class_name;
      study.patient_id = name + std::to_string(i);
      study.split = "TEST";
      study.fps = 32.0;
      study.number_of_frames = video.count;
      study.frame_height = study.frame_width = phantom::kImageSize;
      io::write_video(*folder_ / name / "Videos" / study.file_name, video);
      studies.push_back(study);
      generation::ManifestEntry entry;
      entry.file = "Videos/" + study.file_name;
      entry.class_name = class_name;
      entry.block_length = kBlock;
      manifest += entry.to_json().dump() + "\n";
    }
    data::write_file_list(*folder_ / name / "FileList.csv", studies);
    write_file(*folder_ / name / "manifest.jsonl", manifest);
  }

  static std::string path(const std::string& name) { return *folder_ / name; }
  static DriftReport drift(const std::string& synthetic) {
    DriftOptions options;
    options.real = path("real");
    options.synthetic = path(synthetic);
    options.model = path("model");
    options.device = "cpu";
    return report_drift(options);
  }

  static generation::testing::TemporaryFolder* folder_;
};

generation::testing::TemporaryFolder* FrameFeatures::folder_ = nullptr;

TEST_F(FrameFeatures, BlocksThatStayTheSameDoNotDrift) {
  const DriftReport report = drift("even");
  ASSERT_EQ(report.blocks.size(), 3U);
  EXPECT_EQ(report.blocks[0].frames, kVideos * kBlock);
  EXPECT_EQ(report.real_frames, kVideos * kBlock * 3);
  EXPECT_GT(report.blocks[0].frechet, 0.0);
  EXPECT_NEAR(report.frechet_growth.estimate, 0.0, 1e-6);
  EXPECT_DOUBLE_EQ(report.brightness_growth.estimate, 0.0);
}

TEST_F(FrameFeatures, FadingBlocksDriftInBrightnessAndDistance) {
  const DriftReport report = drift("fading");
  EXPECT_NEAR(report.brightness_growth.estimate, -0.5, 0.02);
  EXPECT_LT(report.brightness_growth.high, -0.4);
  EXPECT_GT(report.frechet_growth.estimate, 0.25);
  EXPECT_GT(report.frechet_growth.high - report.frechet_growth.low,
            0.01 * report.frechet_growth.estimate);
  EXPECT_GT(report.blocks[2].frechet, report.blocks[1].frechet);
  EXPECT_EQ(report.to_json()["blocks"].size(), 3U);
}

TEST_F(FrameFeatures, DriftNeedsBlocks) {
  write("single", 400, {1.0});
  EXPECT_THAT([&] { drift("single"); }, ThrowsMessage<DataError>(HasSubstr("at least 2")));
}

TEST_F(FrameFeatures, PairedArmsAreComparedWithTheFirst) {
  CompareOptions options;
  options.real = path("real");
  options.model = path("model");
  options.device = "cpu";
  options.arms = {{"a", path("even")}, {"same", path("even")}, {"dark", path("fading")}};
  const CompareReport report = report_compare(options);
  ASSERT_EQ(report.arms.size(), 3U);
  EXPECT_EQ(report.arms[0].frames, kVideos * kBlock * 3);
  EXPECT_TRUE(std::isnan(report.arms[0].difference.estimate));
  EXPECT_NEAR(report.arms[1].difference.estimate, 0.0, 1e-9);
  EXPECT_NEAR(report.arms[1].difference.high, 0.0, 1e-9) << "what arms share cancels";
  EXPECT_DOUBLE_EQ(report.arms[2].difference.estimate,
                   report.arms[2].frechet.estimate - report.arms[0].frechet.estimate);
  EXPECT_GT(report.arms[2].difference.low, 0.0);
  const Interval& first_arm = report.arms[0].frechet;
  EXPECT_GT(first_arm.high - first_arm.low, 0.1 * first_arm.estimate) << "patients differ";
  // The first eight frames of both are the same.
  options.frames = kBlock;
  const CompareReport first = report_compare(options);
  EXPECT_NEAR(first.arms[2].difference.estimate, 0.0, 1e-9);
  EXPECT_EQ(first.arms[2].frames, kVideos * kBlock);
}

TEST_F(FrameFeatures, ArmsMustBelongTogether) {
  CompareOptions options;
  options.real = path("real");
  options.model = path("model");
  options.arms = {{"a", path("even")}};
  EXPECT_THROW(report_compare(options), UsageError);
  fs::create_directories(*folder_ / "fewer");
  std::vector<data::Study> studies = data::read_file_list(*folder_ / "even" / "FileList.csv");
  studies.pop_back();
  fs::copy(*folder_ / "even" / "Videos", *folder_ / "fewer" / "Videos");
  data::write_file_list(*folder_ / "fewer" / "FileList.csv", studies);
  options.arms.emplace_back("fewer", path("fewer"));
  EXPECT_THAT([&] { report_compare(options); }, ThrowsMessage<DataError>(HasSubstr("5 videos")));
}

}  // namespace
}  // namespace echopath::evaluation
