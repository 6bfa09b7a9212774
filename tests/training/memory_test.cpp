#include "training/memory.hpp"

#include <gtest/gtest.h>

#include "echopath/config/options.hpp"

namespace echopath::training {
namespace {

template <class Options>
Options options_of(const std::string& config, const std::vector<std::string>& overrides = {}) {
  Options options;
  const std::string path = std::string(ECHOPATH_SOURCE_DIR) + "/configs/" + config;
  config::apply(config::read_json(path), config::visit_of(options), path);
  config::apply_overrides(overrides, config::visit_of(options));
  return options;
}

TEST(KeptValues, OfTheSmallLidmAreWhatWasMeasured) {
  // The resident memory of a training of configs/phantom/lidm.json in float32 grows by 4.4 MB for
  // each item of the batch.
  const auto options = options_of<LidmOptions>("phantom/lidm.json");
  EXPECT_NEAR(4.0 * kept_values(options) / 1e6, 4.4, 0.1 * 4.4);
}

TEST(KeptValues, FollowTheLayersOfTheConfig) {
  const double one = kept_values(options_of<LidmOptions>("phantom/lidm.json"));
  const double two =
      kept_values(options_of<LidmOptions>("phantom/lidm.json", {"model.layers_per_block=2"}));
  EXPECT_GT(two, 1.5 * one);
  EXPECT_LT(two, 2.0 * one);
  const double larger =
      kept_values(options_of<LidmOptions>("phantom/lidm.json", {"model.sample_size=32"}));
  EXPECT_NEAR(larger / one, 4.0, 0.1);  // the lowest levels cannot shrink below one position
}

TEST(KeptValues, AreFewerWhereActivationsAreCheckpointed) {
  const std::vector<std::string> on = {"training.activation_checkpointing=true"};
  const double clip = kept_values(options_of<LvdmOptions>("paper/lvdm.json"));
  const double clip_less = kept_values(options_of<LvdmOptions>("paper/lvdm.json", on));
  EXPECT_LT(clip_less, 0.25 * clip);
  EXPECT_GT(clip_less, 0.02 * clip);
  EXPECT_LT(kept_values(options_of<LidmOptions>("echonet_synthetic/lidm.json", on)),
            0.4 * kept_values(options_of<LidmOptions>("echonet_synthetic/lidm.json")));
  const std::vector<std::string> alone = {"loss.adversarial_weight=0"};
  EXPECT_LT(kept_values(options_of<VaeOptions>("paper/vae.json", {alone[0], on[0]})),
            0.5 * kept_values(options_of<VaeOptions>("paper/vae.json", alone)));
}

TEST(KeptValues, OfAClipGrowWithItsFrames) {
  const double block = kept_values(options_of<LvdmOptions>("paper/lvdm.json"));
  const double half = kept_values(options_of<LvdmOptions>("paper/lvdm.json", {"block_length=32"}));
  EXPECT_DOUBLE_EQ(block, 2.0 * half);
  const double deeper = kept_values(
      options_of<LvdmOptions>("paper/lvdm.json", {"model.transformer_layers_per_block=2"}));
  EXPECT_GT(deeper, 1.3 * block);
}

TEST(KeptValues, OfTheVaeHoldTheDiscriminatorWhereThereIsOne) {
  const double alone =
      kept_values(options_of<VaeOptions>("paper/vae.json", {"loss.adversarial_weight=0"}));
  const double judged = kept_values(options_of<VaeOptions>("paper/vae.json"));
  // 64 channels at 56 x 56 twice, 128 at 28 x 28 and 256 at 14 x 14 three times.
  EXPECT_DOUBLE_EQ(judged - alone, 2.0 * 64 * 56 * 56 + 3.0 * 128 * 28 * 28 + 3.0 * 256 * 14 * 14);
}

TEST(KeptValues, OfAPairGrowWithTheDepthOfTheResNet) {
  const double shallow = kept_values(options_of<ReidOptions>("phantom/reid.json"));
  // Width 16: stem 2 maps of 7 x 7; stages of one block, 4 maps and a shortcut's, at 4, 2, 1, 1.
  EXPECT_DOUBLE_EQ(shallow, 2.0 * 16 * (2 * 49 + 5 * (1 * 16 + 2 * 4 + 4 * 1 + 8 * 1)));
  EXPECT_GT(kept_values(options_of<ReidOptions>("paper/reid.json")), 10.0 * shallow);
}

TEST(KeptValues, OfAClipFollowSizeFramesAndArchitecture) {
  const auto kept = [](const std::vector<std::string>& overrides) {
    std::vector<std::string> all = {"architecture=r3d_18", "model.width=8",
                                    "model.depths=[1,1,1,1]", "clip.sample_size=64",
                                    "clip.frames=8"};
    if (!overrides.empty() && overrides.front().starts_with("architecture")) all.erase(all.begin());
    all.insert(all.begin(), overrides.begin(), overrides.end());
    ClassifierOptions options;
    config::apply_overrides(all, config::visit_of(options));
    return kept_values(options);
  };
  // Stem: norm and ReLU at 32 x 32 x 8. Stages of one block, 4 maps and from the second on a
  // shortcut's, each with half the side and half the frames of the one before.
  EXPECT_DOUBLE_EQ(kept({}), 8.0 * (2 * 8192 + 4 * 8192 + 5 * (2 * 1024 + 4 * 128 + 8 * 16)));
  EXPECT_GT(kept({"architecture=r2plus1d_18"}), 2.0 * kept({}));
  // Width 8, bottlenecks: stem 32 x 32, then 16, 8, 4 and 2 a side, 12 maps and a shortcut's 4.
  EXPECT_DOUBLE_EQ(kept({"architecture=resnet50"}),
                   8.0 * 8.0 * (2 * 1024 + 16 * (256 + 2 * 64 + 4 * 16 + 8 * 4)));
  const auto segmentation = [](const std::string& frames) {
    ClassifierOptions options;
    config::apply_overrides({"task=segmentation", "architecture=unet", "clip.frames=" + frames},
                            config::visit_of(options));
    return kept_values(options);
  };
  EXPECT_DOUBLE_EQ(segmentation("2"), 2.0 * segmentation("1"));
}

TEST(TrainingBytes, CountTheStateAndOneMicroBatch) {
  LoopOptions loop;
  loop.batch_size = 8;
  EXPECT_DOUBLE_EQ(training_bytes(loop, 1000, 50, false), 20.0 * 1000 + 4.0 * 50 * 8);
  loop.micro_batch_size = 2;
  EXPECT_DOUBLE_EQ(training_bytes(loop, 1000, 50, false), 20.0 * 1000 + 4.0 * 50 * 2);
  loop.precision = "bf16";
  EXPECT_DOUBLE_EQ(training_bytes(loop, 1000, 50, false), 22.0 * 1000 + 2.0 * 50 * 2);
  EXPECT_DOUBLE_EQ(training_bytes(loop, 1000, 60, true), 22.0 * 1000 + 200.0 * 2);
  loop.optimizer = "sgd";
  EXPECT_DOUBLE_EQ(training_bytes(loop, 1000, 50, false), 18.0 * 1000 + 2.0 * 50 * 2);
  loop.micro_batch_size = 100;
  EXPECT_DOUBLE_EQ(training_bytes(loop, 0, 50, false), 2.0 * 50 * 8);
}

}  // namespace
}  // namespace echopath::training
