// The privacy audit on simulated hearts, with the shipped model: a generator that copies its
// training videos is found; held-out hearts and a generator of hearts that nobody has seen are not.
#include <gtest/gtest.h>

#include "core/temporary_directory.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/random.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/evaluation/privacy_audit.hpp"
#include "echopath/generation/codec.hpp"
#include "echopath/io/video.hpp"
#include "echopath/phantom/phantom.hpp"

namespace echopath::evaluation {
namespace {

constexpr int kTraining = 60;
constexpr int kHeldOut = 120;  // in VAL and in TEST
constexpr int kCopies = 40;
constexpr std::int64_t kFrames = 16;
constexpr double kFps = 16.0;  // one second
constexpr double kRate = 0.1;

// Of the honest generator. At 5 %, 500 hearts and a threshold from 500 others give the share of
// flagged ones a standard error of 1.4 points: a true rate of 10 % would be seen.
constexpr int kTrainingOfMany = 120;
constexpr int kHeldOutOfMany = 500;
constexpr int kUnseen = 500;

class PrivacyControlsSlow : public ::testing::Test {
 protected:
  io::Frames heart(int number) const {
    static const std::vector<std::string> classes = {"ASD", "Non-ASD", "Non-PAH", "PAH"};
    phantom::Simulator simulator(phantom::sample_patient(
        classes[static_cast<std::size_t>(number) % 4], 9000 + static_cast<unsigned>(number)));
    io::Frames frames;
    frames.count = kFrames;
    frames.height = frames.width = phantom::kImageSize;
    frames.fps = kFps;
    frames.pixels.resize(static_cast<std::size_t>(kFrames * frames.frame_size()));
    for (std::int64_t t = 0; t < kFrames; ++t) {
      simulator.render(static_cast<double>(t) / kFps, frames.frame(t));
    }
    return frames;
  }

  void add(const std::string& folder, int number, const std::string& split,
           const io::Frames& frames) {
    data::Study study;
    study.file_name = "heart" + std::to_string(number) + ".avi";
    study.class_name = "ASD";
    study.patient_id = "P" + std::to_string(number);
    study.split = split;
    study.fps = kFps;
    study.number_of_frames = kFrames;
    study.frame_height = study.frame_width = frames.height;
    io::write_video(folder_.path() / folder / "Videos" / study.file_name, frames);
    lists_[folder].push_back(study);
  }

  /// The latents directory of the videos added to a folder.
  std::string encoded(const std::string& folder) {
    data::write_file_list(folder_.path() / folder / "FileList.csv", lists_[folder]);
    generation::EncodeOptions options;
    options.data = (folder_.path() / folder).string();
    options.model = ECHOPATH_SOURCE_DIR "/models/phantom";
    options.out = (folder_.path() / (folder + "_latents")).string();
    options.device = "cpu";
    generation::encode_dataset(options);
    return options.out;
  }

  /// Every pixel changed by noise of about four grey levels.
  static io::Frames disturbed(const io::Frames& frames, int number) {
    io::Frames copy = frames;
    const at::Tensor noise =
        4.0 * normal_tensor({static_cast<std::int64_t>(copy.pixels.size())},
                            {77, Stream::kDataset, static_cast<std::uint32_t>(number), 0});
    const float* change = noise.const_data_ptr<float>();
    for (std::size_t i = 0; i < copy.pixels.size(); ++i) {
      copy.pixels[i] = static_cast<std::uint8_t>(
          std::clamp(static_cast<float>(copy.pixels[i]) + change[i], 0.0F, 255.0F));
    }
    return copy;
  }

  PrivacyAuditOptions options_for(const std::string& real, const std::string& synthetic) const {
    PrivacyAuditOptions options;
    options.real = real;
    options.synthetic = synthetic;
    options.model = ECHOPATH_SOURCE_DIR "/models/phantom";
    options.out = (folder_.path() / "audit").string();
    options.statistics.resamples = 50;
    options.denoising = false;
    options.device = "cpu";
    return options;
  }

  PrivacyAudit audit(const std::string& real, const std::string& synthetic,
                     const std::string& calibration) const {
    PrivacyAuditOptions options = options_for(real, synthetic);
    options.calibration_split = calibration;
    options.statistics.false_positive_rate = kRate;
    return run_privacy_audit(options);
  }

  TemporaryDirectory folder_;
  std::map<std::string, std::vector<data::Study>> lists_;
};

TEST_F(PrivacyControlsSlow, CopiesAreFlaggedAndHeldOutHeartsAreNot) {
  for (int i = 0; i < kTraining + 2 * kHeldOut; ++i) {
    const io::Frames frames = heart(i);
    const bool trains = i < kTraining;
    add("real", i, trains ? "TRAIN" : i % 2 == 0 ? "VAL" : "TEST", frames);
    if (i < kCopies) add("copies", i, "TRAIN", disturbed(frames, i));
  }
  const std::string real = encoded("real"), copies = encoded("copies");
  const PrivacyAudit by_val = audit(real, copies, "VAL");
  const PrivacyAudit by_test = audit(real, copies, "TEST");
  ASSERT_TRUE(by_val.motion && by_test.motion);
  for (const PrivacyAudit* found : {&by_val, &by_test}) {
    for (const LevelAudit* level : {&found->frames, &*found->motion}) {
      EXPECT_GE(level->flagged_samples.estimate, 0.95);
      EXPECT_GT(level->membership.auc.low, 0.5);
      EXPECT_GT(level->nearer_to_training.estimate, 0.9);
      // Two thirds of the training patients were copied.
      EXPECT_NEAR(level->flagged_patients.estimate, 1.0 * kCopies / kTraining, 0.05);
    }
  }
  // Either half of the held-out hearts checks the threshold of the other.
  EXPECT_LE((by_val.frames.check_rate->estimate + by_test.frames.check_rate->estimate) / 2,
            1.5 * kRate);
  EXPECT_LE((by_val.motion->check_rate->estimate + by_test.motion->check_rate->estimate) / 2,
            1.5 * kRate);
}

// Hearts of other patients stand for a generator that remembers nothing; all settings are the
// defaults.
TEST_F(PrivacyControlsSlow, UnseenHeartsAreFlaggedNoMoreOftenThanTheRateSays) {
  for (int i = 0; i < kTrainingOfMany + kHeldOutOfMany; ++i) {
    add("real", i, i < kTrainingOfMany ? "TRAIN" : "VAL", heart(i));
  }
  const int first = kTrainingOfMany + kHeldOutOfMany;
  for (int i = first; i < first + kUnseen; ++i) add("unseen", i, "TRAIN", heart(i));
  const PrivacyAuditOptions options = options_for(encoded("real"), encoded("unseen"));
  const double rate = options.statistics.false_positive_rate;
  EXPECT_EQ(rate, 0.05);
  const PrivacyAudit found = run_privacy_audit(options);
  EXPECT_EQ(found.synthetic, kUnseen);
  ASSERT_TRUE(found.motion);
  for (const LevelAudit* level : {&found.frames, &*found.motion}) {
    EXPECT_LE(level->flagged_samples.estimate, 1.5 * rate);
    EXPECT_NEAR(level->nearer_to_training.estimate, 0.5, 0.15);
    EXPECT_NEAR(level->membership.auc.estimate, 0.5, 0.1);
  }
}

}  // namespace
}  // namespace echopath::evaluation
