#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/training/train.hpp"
#include "training/jobs.hpp"

namespace echopath::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// What validation says of the network's defaults with these overrides; empty where it is content.
std::string complaint(const std::string& network, const std::vector<std::string>& overrides) {
  const std::unique_ptr<Job> job = make_job(network);
  config::apply_overrides(overrides, job->visit());
  try {
    job->validate();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

TEST(Validate, DefaultsGoTogether) {
  for (const char* network : {"vae", "lidm", "lvdm", "reid"}) {
    EXPECT_EQ(complaint(network, {}), "") << network;
  }
}

TEST(Validate, EveryShippedTrainingConfigGoesTogether) {
  int checked = 0;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(ECHOPATH_SOURCE_DIR) / "configs")) {
    std::string network = entry.path().stem().string();
    if (entry.path().extension() != ".json" || network == "sample") continue;
    if (network.starts_with("classifier_") || network == "segmentation") network = "classifier";
    EXPECT_NO_THROW(check_config(network, entry.path())) << entry.path();
    ++checked;
  }
  EXPECT_GE(checked, 24);
}

TEST(Validate, OptionsOfClassifiersGoTogether) {
  const std::string pair = R"(data.classes=["ASD","Non-ASD"])";
  EXPECT_EQ(complaint("classifier", {pair}), "");
  EXPECT_EQ(complaint("classifier", {"task=segmentation", "architecture=unet"}), "")
      << "the phantom's labels are the default";
  EXPECT_THAT(complaint("classifier", {}), HasSubstr("data.classes has 0 entries"));
  EXPECT_THAT(
      complaint("classifier", {pair, R"(data.extra_datasets=["a","b"])", "data.extra_ratios=[1]"}),
      HasSubstr("data.extra_ratios has 1 entry, but data.extra_datasets lists 2"));
  EXPECT_THAT(
      complaint("classifier", {pair, "data.validation_dataset=a", "data.validation_fraction=0.1"}),
      HasSubstr("are both given"));
  EXPECT_THAT(complaint("classifier", {pair, "loss.class_weight_list=[1,2]"}),
              HasSubstr("loss.class_weights is none"));
  const std::vector<std::string> unet = {"task=segmentation", "architecture=unet"};
  EXPECT_THAT(complaint("classifier", {unet[0], unet[1], "selection=auc"}),
              HasSubstr("selection is auc, but task is segmentation"));
  EXPECT_THAT(complaint("classifier", {unet[0], unet[1], "loss.class_weights=balanced"}),
              HasSubstr("where the Dice loss sees to small structures"));
}

TEST(Validate, PerceptualTermNeedsAClassifier) {
  EXPECT_THAT(complaint("vae", {"loss.perceptual_weight=1"}), HasSubstr("loss.perceptual_model"));
}

TEST(Validate, ClassTokensAreAsManyAsTheClasses) {
  for (const char* network : {"lidm", "lvdm"}) {
    EXPECT_THAT(complaint(network, {"class_embedding.num_classes=3"}),
                AllOf(HasSubstr("class_embedding.num_classes is 3"), HasSubstr("data.classes")));
  }
  // Without conditioning there are no tokens to count.
  EXPECT_EQ(complaint("lidm", {"architecture=UNet2DModel", R"(data.classes=["ASD"])"}), "");
}

TEST(Validate, ClassNamesAreThereAndDiffer) {
  EXPECT_THAT(complaint("lidm", {"data.classes=[]"}), HasSubstr("data.classes is empty"));
  EXPECT_THAT(complaint("lvdm", {R"(data.classes=["A","B","A","C"])"}),
              HasSubstr("data.classes lists 'A' twice"));
}

TEST(Validate, ContextIsAsWideAsTheEmbedding) {
  EXPECT_EQ(complaint("lidm", {"class_embedding.width=32"}),
            "model.cross_attention_dim is 64, but class_embedding.width is 32; the two must agree");
  EXPECT_THAT(complaint("lvdm", {"model.cross_attention_dim=32"}),
              HasSubstr("model.cross_attention_dim is 32"));
  EXPECT_THAT(complaint("lvdm", {"class_embedding.mode=scalar"}), HasSubstr("set it to 1"));
  EXPECT_EQ(complaint("lvdm", {"class_embedding.mode=scalar", "model.cross_attention_dim=1"}), "");
}

TEST(Validate, ChannelsFitTheLatentsAndTheFrames) {
  EXPECT_THAT(complaint("lidm", {"model.in_channels=3"}),
              AllOf(HasSubstr("model.in_channels is 3"), HasSubstr("model.out_channels is 4")));
  EXPECT_THAT(complaint("lidm", {"model.out_channels=8"}), HasSubstr("model.out_channels is 8"));
  EXPECT_THAT(complaint("lidm", {"architecture=UNet2DModel", "model.in_channels=3"}),
              HasSubstr("model.in_channels is 3"));
  EXPECT_THAT(complaint("lvdm", {"model.in_channels=4"}), HasSubstr("twice as many"));
  EXPECT_THAT(complaint("lvdm", {"heart_cycle_conditioning=true"}),
              AllOf(HasSubstr("model.in_channels is 8"), HasSubstr("two of the heart's phase")));
  EXPECT_THAT(complaint("vae", {"model.in_channels=1"}), HasSubstr("three channels"));
  EXPECT_THAT(complaint("vae", {"model.out_channels=1"}), HasSubstr("model.out_channels is 1"));
}

TEST(Validate, ABlockHasFramesLeftToMake) {
  EXPECT_THAT(complaint("lvdm", {"context_frames=40", "block_length=32"}),
              AllOf(HasSubstr("context_frames is 40"), HasSubstr("block_length, 32")));
  EXPECT_THAT(complaint("lvdm", {"context_frames=32", "block_length=32"}), HasSubstr("less than"));
  EXPECT_EQ(complaint("lvdm", {"context_frames=31", "block_length=32"}), "");
}

TEST(Validate, AHeldHeartFrameLeavesNoRoomForARandomOne) {
  EXPECT_THAT(complaint("lvdm", {"held_frame=heart_frame", "compatibility.reference_frame=random"}),
              HasSubstr("held_frame is heart_frame, but compatibility.reference_frame is random"));
  EXPECT_EQ(complaint("lvdm", {"held_frame=heart_frame"}), "");
}

TEST(Validate, SizesFitTheNumberOfBlocks) {
  EXPECT_THAT(complaint("vae", {"model.sample_size=100"}), HasSubstr("a multiple of 8"));
  EXPECT_THAT(complaint("vae", {"loss.l1_pooling=64", "model.sample_size=32"}),
              HasSubstr("loss.l1_pooling is 64"));
  EXPECT_THAT(complaint("reid", {"model.depths=[1,1]"}), HasSubstr("model.depths has 2 entries"));
  EXPECT_NE(complaint("lidm", {"model.down_block_types=[\"DownBlock2D\"]"}), "");
}

TEST(Validate, TheErrorNamesTheConfigFile) {
  const fs::path file = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/toy/lvdm.json";
  TrainRequest request;
  request.network = "lvdm";
  request.config = file;
  request.overrides = {"context_frames=40"};
  request.out = fs::temp_directory_path() / "echopath_validate_run";
  try {
    run_training(request);
    FAIL() << "accepted";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr(file.string() + " with --set: context_frames is 40"));
  }
  EXPECT_FALSE(fs::exists(request.out));
}

}  // namespace
}  // namespace echopath::training
