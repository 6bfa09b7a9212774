#include "echopath/evaluation/privacy_audit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/diffusion/schedule.hpp"
#include "echopath/io/csv.hpp"
#include "echopath/models/padding.hpp"
#include "evaluation/denoising_loss.hpp"
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
  EXPECT_GT(std::stod(cell(1, "MotionSimilarity")), 0.99);
  EXPECT_EQ(cell(0, "MotionFlagged"), "0");
  EXPECT_EQ(cell(2, "MotionSimilarity"), "");
  EXPECT_TRUE(found.denoising.contains("lidm"));
  EXPECT_TRUE(found.denoising.contains("lvdm"));
  EXPECT_EQ(found.denoising.at("lvdm").members, 5);
  const config::Json json = config::read_json((folder_.path() / "out/privacy.json").string());
  EXPECT_EQ(json.at("synthetic"), 3);
  EXPECT_TRUE(fs::is_regular_file(folder_.path() / "out/motion_histogram.png"));
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

// The loss by its definition, from the parts of the model.
TEST_F(PrivacyAuditTest, DenoisingLossIsTheErrorOfTheLidmAtFixedNoiseLevels) {
  add("real", "one", "TRAIN", drawn(1, 1));
  options();
  const models::ModelDirectory model = models::ModelDirectory::open(toy::shared_toy_model());
  const LatentReader reader = LatentReader::open(folder_.path() / "real", model, at::kCPU);
  DenoisingLossOptions asked;
  asked.noise_levels = 1;
  const double found =
      denoising_losses(model, reader, reader.studies(), asked, at::kCPU).losses.at(0);
  const at::NoGradGuard no_grad;
  const diffusion::NoiseSchedule schedule(model.schedule());
  const at::Tensor clean = drawn(1, 1) * model.info().latent_scaling_factor;
  const at::Tensor noise = normal_tensor(clean.sizes(), {0, Stream::kTrainingNoise, 0, 0});
  const at::Tensor t = at::full({1}, 500, at::kLong);
  const models::PaddedLatents padded = models::pad_latents(schedule.add_noise(clean, noise, t));
  models::ClassEmbedding embedding = model.load_class_embedding("lidm", at::kCPU);
  const at::Tensor output =
      models::unpad_latents(model.load_lidm(at::kCPU)->predict(
                                padded.latents, t, embedding->forward(at::zeros({1}, at::kLong))),
                            padded);
  const double alpha = schedule.alpha_cumprod(500);
  const at::Tensor v = std::sqrt(alpha) * noise - std::sqrt(1 - alpha) * clean;
  EXPECT_NEAR(found, (output - v).square().mean().item<double>(), 1e-5);
}

}  // namespace
}  // namespace echopath::evaluation
