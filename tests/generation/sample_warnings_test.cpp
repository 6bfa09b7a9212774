#include "generation/sample_warnings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "echopath/core/logging.hpp"
#include "sample_support.hpp"

namespace echopath::generation {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::TemporaryFolder;
using testing::toy_options;

class SampleWarnings : public ::testing::Test {
 protected:
  SampleWarnings() {
    initialise_logging("info", false);
    toy_.heart_cycle = true;
    testing::write_toy_model(folder_ / "model", toy_);
    set_lidm_window(0.08);
  }

  void set_lidm_window(double window) const {
    models::update_model_info(folder_ / "model", [&](models::ModelInfo& info) {
      info.trained_on["lidm"]["heart_phase_window"] = window;
    });
  }

  /// Gives the model the baseline's kind of LIDM, which is told no class.
  void make_lidm_unconditional() const {
    models::UNet2DConfig config;
    config.block_out_channels = {8, 16};
    config.down_block_types = {"DownBlock2D", "DownBlock2D"};
    config.up_block_types = {"UpBlock2D", "UpBlock2D"};
    config.layers_per_block = 1;
    config.norm_num_groups = 4;
    testing::save_toy(folder_ / "model", "lidm", "UNet2DModel", models::UNet2DModel(config));
  }

  std::string warnings(const SampleOptions& options) const {
    ::testing::internal::CaptureStderr();
    warn_of_the_unlearned(options, models::ModelDirectory::open(folder_ / "model"));
    return ::testing::internal::GetCapturedStderr();
  }

  SampleOptions options() const { return toy_options(folder_ / "out"); }

 private:
  TemporaryFolder folder_;
  testing::ToyModelOptions toy_;
};

TEST_F(SampleWarnings, AreNoneWhereTheModelLearnedWhatIsAsked) {
  EXPECT_THAT(warnings(options()), IsEmpty());
}

TEST_F(SampleWarnings, OfAClassWhoseHeartRatesAreUnknown) {
  SampleOptions both = options();
  both.classes = {"ASD", "Non-ASD"};
  EXPECT_THAT(warnings(both), HasSubstr("has no heart rates of Non-ASD, in whose"));
  both.heart_rate = 70.0;
  EXPECT_THAT(warnings(both), IsEmpty());
}

TEST_F(SampleWarnings, OfGuidanceThatSteersNothing) {
  SampleOptions options = this->options();
  options.guidance.scale = 3.0;
  EXPECT_THAT(warnings(options), IsEmpty()) << "it steers the LIDM";
  options.heart = "heart.png";
  options.guidance.scale = 1.0;
  EXPECT_THAT(warnings(options), IsEmpty()) << "w is 1";
  options.guidance.scale = 3.0;
  EXPECT_THAT(warnings(options), HasSubstr("guidance.video_share, which is 0"));
  options.video_guidance_share = 0.25;
  EXPECT_THAT(warnings(options), IsEmpty());
}

TEST_F(SampleWarnings, OfTheDefaultGuidanceOnlyWhereItIsAskedFor) {
  SampleOptions options = this->options();
  options.heart = "heart.png";
  options.guidance.scale = SampleOptions().guidance.scale;
  EXPECT_THAT(warnings(options), IsEmpty());
  options.guidance_scale_given = true;
  EXPECT_THAT(warnings(options), HasSubstr("w does nothing: --heart leaves the LIDM out"));
}

TEST_F(SampleWarnings, OfGuidanceOfAnLidmThatIsToldNoClass) {
  make_lidm_unconditional();
  SampleOptions options = this->options();
  for (const double unguided : {0.0, 1.0}) {  // the LVDM's scale too
    options.guidance.scale = unguided;
    EXPECT_THAT(warnings(options), IsEmpty()) << unguided;
  }
  options.guidance.scale = 3.0;
  const std::string warning = warnings(options);
  EXPECT_THAT(warning, HasSubstr("w does nothing: the LIDM of '"));
  EXPECT_THAT(warning, HasSubstr("model' is not conditioned on the class, and w steers the LVDM"));
  EXPECT_THAT(warning, HasSubstr("--set guidance.video_share=1 gives it w in full"));
  options.heart = "heart.png";
  EXPECT_THAT(warnings(options), HasSubstr("w does nothing: --heart leaves the LIDM out"));
  options.heart.clear();
  options.video_guidance_share = 0.25;
  EXPECT_THAT(warnings(options), IsEmpty());
}

TEST_F(SampleWarnings, OfHeartFramesOfAnyMoment) {
  set_lidm_window(0.5);
  SampleOptions options = this->options();
  EXPECT_THAT(warnings(options), HasSubstr("the first beat may jump"));
  options.heart = "heart.png";  // its moment is the user's to say
  EXPECT_THAT(warnings(options), IsEmpty());
}

TEST(SampleIdleOptions, OfTheBlockSamplerAreToldWhereWindowsAreStitched) {
  initialise_logging("info", false);
  const auto warnings = [](const SampleOptions& options) {
    ::testing::internal::CaptureStderr();
    warn_of_idle_options(options);
    return ::testing::internal::GetCapturedStderr();
  };
  SampleOptions options;
  options.sampler = "stitched";
  EXPECT_THAT(warnings(options), IsEmpty());
  options.batch = 8;
  options.anchor = "soft";
  EXPECT_THAT(warnings(options), HasSubstr("--batch 8 does nothing"));
  EXPECT_THAT(warnings(options), HasSubstr("--anchor soft does nothing"));
  options.sampler = "blocks";
  EXPECT_THAT(warnings(options), IsEmpty());
}

TEST_F(SampleWarnings, OfGuidanceByAFrameThatWasNeverLeftOut) {
  SampleOptions options = this->options();
  options.guidance.frame_scale = 1.5;
  EXPECT_THAT(warnings(options), HasSubstr("was trained with reference_dropout"));
  EXPECT_THAT(warnings(options), Not(HasSubstr("heart rates")));
}

}  // namespace
}  // namespace echopath::generation
