#include "echopath/models/convert.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/weights.hpp"
#include "models/convert_support.hpp"

namespace echopath::models {
namespace {

using testing::config_of;
using ::testing::Contains;
using testing::Convert;
using ::testing::ElementsAre;
using testing::expect_hashed_weights;
using testing::from;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kFixtures;
using testing::kWeights;
using ::testing::Pair;
using testing::reid_tensors;

TEST_F(Convert, LegacyAttentionNamesOfABinFileBecomeCurrentOnes) {
  const Conversion conversion(from(kFixtures / "legacy_attention"));
  ASSERT_EQ(conversion.networks().size(), 1U);
  const NetworkReport& network = conversion.networks().front();
  EXPECT_EQ(network.class_name, "AutoencoderKL");
  EXPECT_EQ(network.format, "torch.save, zip format");
  EXPECT_THAT(network.missing, IsEmpty());
  EXPECT_THAT(network.surplus, IsEmpty());
  const std::string attention = "decoder.mid_block.attentions.0.";
  EXPECT_THAT(network.keys,
              Contains(Pair(attention + "proj_attn.bias", attention + "to_out.0.bias")));
  EXPECT_THAT(network.keys, Contains(Pair(attention + "key.weight", attention + "to_k.weight")));
  conversion.write(folder_ / "model/vae");
  expect_hashed_weights(folder_ / "model/vae", network.keys.size());
  const AutoencoderKL vae = ModelDirectory::open(folder_ / "model").load_vae(at::kCPU);
  EXPECT_EQ(vae->config().norm_num_groups, 4);
  EXPECT_EQ(parameter_count(*vae), network.parameters);
}

TEST_F(Convert, ShardsBecomeOneFile) {
  const Conversion conversion(from(kFixtures / "sharded"));
  const NetworkReport& network = conversion.networks().front();
  EXPECT_EQ(network.class_name, "UNet2DModel");
  EXPECT_EQ(network.format, "safetensors in 4 shards");
  conversion.write(out_);
  expect_hashed_weights(out_, network.keys.size());
  EXPECT_EQ(config_of(out_)["downsample_type"], "resnet");
}

TEST_F(Convert, OfACheckpointFolderTheMovingAverageIsTaken) {
  const Conversion conversion(from(kFixtures / "checkpoint-7"));
  ASSERT_EQ(conversion.networks().size(), 1U);
  const NetworkReport& network = conversion.networks().front();
  EXPECT_EQ(network.class_name, "UNet2DConditionModel");
  EXPECT_THAT(network.where, HasSubstr("unet_ema"));
  EXPECT_THAT(network.notes, Contains(HasSubstr("took the moving average 'unet_ema', not 'unet'")));
  EXPECT_THAT(network.notes, Contains(HasSubstr("decay")));
  EXPECT_THAT(conversion.left_out(), ElementsAre("optimizer.bin", "unet"));
  conversion.write(out_);
  expect_hashed_weights(out_, network.keys.size());
  const config::Json config = config_of(out_);
  EXPECT_FALSE(config.contains("decay"));
  EXPECT_EQ(config["_class_name"], "UNet2DConditionModel");
  EXPECT_EQ(config["cross_attention_dim"], 1);
}

TEST_F(Convert, TheOriginalVaeGetsDiffusersNames) {
  const fs::path config = write_text("vae.json", R"({"_class_name": "AutoencoderKL",
      "block_out_channels": [8, 8, 8], "layers_per_block": 1, "latent_channels": 2,
      "norm_num_groups": 4, "sample_size": 16})");
  const Conversion conversion(from(kFixtures / "latent_diffusion.ckpt", config));
  const NetworkReport& network = conversion.networks().front();
  EXPECT_THAT(network.keys, Contains(Pair("state_dict.decoder.up.0.block.1.conv2.weight",
                                          "decoder.up_blocks.2.resnets.1.conv2.weight")));
  EXPECT_THAT(network.left_out, ElementsAre("optimizer_states.0.state.0.step",
                                            "state_dict.loss.discriminator.main.0.weight"));
  conversion.write(out_);
  expect_hashed_weights(out_, network.keys.size());
  const io::SafetensorsFile file(out_ / kWeights);
  EXPECT_EQ(file.shape("encoder.mid_block.attentions.0.to_q.weight").size(), 2U);
}

TEST_F(Convert, SizesOfAVaeWithoutConfigAreReadOffItsWeights) {
  // 8 channels, but 32 groups are what cannot be read off: refused by name.
  expect_error<ConfigError>([&] { Conversion{from(kFixtures / "latent_diffusion.ckpt")}; },
                            "latent_diffusion.ckpt comes without config.json (--config gives one): "
                            "AutoencoderKL: block_out_channels has 8, which does not divide by "
                            "norm_num_groups");
  AutoencoderKLConfig config;
  config.block_out_channels = {32, 64, 32};
  config.layers_per_block = 1;
  config.latent_channels = 3;
  config.use_quant_conv = false;
  const AutoencoderKL vae(config);
  const Conversion conversion(from(write("vae.safetensors", state_dict(*vae))));
  EXPECT_THAT(conversion.networks().front().notes, Contains(HasSubstr("norm_num_groups 32")));
  conversion.write(out_);
  const config::Json written = config_of(out_);
  EXPECT_EQ(written["block_out_channels"], config::Json({32, 64, 32}));
  EXPECT_EQ(written["latent_channels"], 3);
  EXPECT_EQ(written["use_quant_conv"], false);
  EXPECT_EQ(written["up_block_types"].size(), 3U);
}

TEST_F(Convert, AStreamFileWrappedByParallelTrainingIsUnwrapped) {
  const Conversion conversion(from(kFixtures / "reid_stream.pth"));
  const NetworkReport& network = conversion.networks().front();
  EXPECT_EQ(network.class_name, "ReIdNet");
  EXPECT_EQ(network.format, "torch.save, stream format");
  EXPECT_THAT(network.keys, Contains(Pair("state_dict.module.fc_end.bias", "fc_end.bias")));
  conversion.write(out_);
  expect_hashed_weights(out_, network.keys.size());
  const config::Json config = config_of(out_);
  EXPECT_EQ(config["in_channels"], 4);
  EXPECT_EQ(config["width"], 4);
  EXPECT_EQ(config["depths"], config::Json({1, 1, 1, 1}));
  EXPECT_EQ(config["block"], "basic");
  EXPECT_EQ(config["embedding_dim"], 6);
}

TEST_F(Convert, AnOldVideoClassifierKeepsHalfPrecisionAndGetsItsStepCounters) {
  const Conversion conversion(from(kFixtures / "video_resnet_stream.pth"));
  const NetworkReport& network = conversion.networks().front();
  EXPECT_EQ(network.class_name, "VideoResNet");
  EXPECT_THAT(network.keys, Contains(Pair("fc.1.weight", "fc.weight")));
  EXPECT_THAT(network.keys, Contains(Pair("", "stem.1.num_batches_tracked")));
  conversion.write(out_);
  expect_hashed_weights(out_, network.keys.size(), at::kHalf);
  EXPECT_EQ(config_of(out_)["convolution"], "3d");
  EXPECT_EQ(config_of(out_)["num_classes"], 2);
}

TEST_F(Convert, TorchvisionsResNetIsKnownByItsNames) {
  ResNetOptions options;
  options.width = 4;
  options.depths = {1, 2, 1, 1};
  options.num_classes = 5;
  const ResNet network(options);
  io::TensorMap tensors = state_dict(*network, at::kDouble);
  const Conversion conversion(from(write("resnet.safetensors", tensors)));
  EXPECT_EQ(conversion.networks().front().class_name, "ResNet");
  conversion.write(out_);
  EXPECT_EQ(config_of(out_)["depths"], config::Json({1, 2, 1, 1}));
  EXPECT_EQ(config_of(out_)["block"], "bottleneck");
  const io::SafetensorsFile file(out_ / kWeights);
  EXPECT_EQ(file.dtype("conv1.weight"), at::kFloat);  // float64 is not kept
  EXPECT_TRUE(at::equal(file.tensor("fc.bias"), state_dict(*network).at("fc.bias")));
}

TEST_F(Convert, AWeightsFileOrAnIndexTakesTheConfigBesideIt) {
  for (const fs::path& source : {kFixtures / "checkpoint-7/unet_ema" / kWeights,
                                 kFixtures / "sharded" / (std::string(kWeights) + ".index.json")}) {
    const fs::path alone = folder_ / ("alone" + source.filename().string());
    const fs::path whole = folder_ / ("whole" + source.filename().string());
    Conversion(from(source)).write(alone);
    Conversion(from(source.parent_path())).write(whole);
    EXPECT_EQ(config_of(alone), config_of(whole));
  }
}

TEST_F(Convert, OtherConfigsBesideAWeightsFileArePassedOver) {
  fs::copy(kFixtures / "reid_stream.pth", folder_ / "reid.pth");
  write_text("config.json", R"({"training": {"steps": 3}})");
  const Conversion conversion(from(folder_ / "reid.pth"));
  EXPECT_EQ(conversion.networks().front().class_name, "ReIdNet");
}

TEST_F(Convert, KeysWithoutEffectStayAsTheyWere) {
  fs::copy(kFixtures / "legacy_attention", folder_ / "vae");
  config::Json config = config_of(folder_ / "vae");
  config["force_upcast"] = false;
  write_text("vae/config.json", config.dump());
  Conversion(from(folder_ / "vae")).write(out_);
  EXPECT_EQ(config_of(out_)["force_upcast"], false);
}

TEST_F(Convert, AVariantsIndexIsRead) {
  const fs::path source = copy_of_shards();
  fs::rename(source / (std::string(kWeights) + ".index.json"),
             source / (std::string(kWeights) + ".index.fp16.json"));
  Conversion(from(source)).write(out_);
  Conversion(from(kFixtures / "sharded")).write(folder_ / "plain");
  EXPECT_EQ(sha256_file(out_ / kWeights), sha256_file(folder_ / "plain" / kWeights));
}

TEST_F(Convert, TheOnlyCheckpointOfAFolderIsTaken) {
  fs::create_directories(folder_ / "run/logs");
  fs::copy(kFixtures / "checkpoint-7", folder_ / "run/checkpoint-7", fs::copy_options::recursive);
  const Conversion conversion(from(folder_ / "run"));
  EXPECT_THAT(conversion.networks().front().notes,
              Contains(HasSubstr("took the only checkpoint, 'checkpoint-7'")));
  conversion.write(out_);
  expect_hashed_weights(out_, conversion.networks().front().keys.size());
}

TEST_F(Convert, TheWeightsOfACheckpointWithoutConfigAreNotLeftOut) {
  write("run/model.safetensors", reid_tensors());
  write("run/optimizer.safetensors", {{"step", at::ones({1})}});
  EXPECT_THAT(Conversion(from(folder_ / "run")).left_out(), ElementsAre("optimizer.safetensors"));
}

TEST_F(Convert, ConvertingTwiceGivesTheSameBytes) {
  Conversion(from(kFixtures / "sharded")).write(out_);
  Conversion(from(out_)).write(folder_ / "again");
  for (const char* name : {kWeights, "config.json"}) {
    EXPECT_EQ(sha256_file(out_ / name), sha256_file(folder_ / "again" / name)) << name;
  }
}

TEST_F(Convert, AFolderOfNetworksStaysOne) {
  fs::create_directories(folder_ / "pipeline");
  fs::copy(kFixtures / "sharded", folder_ / "pipeline/unet", fs::copy_options::recursive);
  fs::copy(kFixtures / "legacy_attention", folder_ / "pipeline/vae", fs::copy_options::recursive);
  write_text("pipeline/notes.txt", "text");
  const Conversion conversion(from(folder_ / "pipeline"));
  EXPECT_THAT(conversion.left_out(), ElementsAre("notes.txt"));
  conversion.write(out_);
  EXPECT_EQ(config_of(out_ / "vae")["_class_name"], "AutoencoderKL");
  EXPECT_EQ(config_of(out_ / "lidm")["_class_name"], "UNet2DModel");
}

TEST_F(Convert, AModelDirectoryKeepsWhatItsNetworksHaveInCommon) {
  const fs::path model = folder_ / "model";
  Conversion(from(kFixtures / "checkpoint-7")).write(model / "lidm");
  save_class_embedding(model, "lidm", ClassEmbedding(ClassEmbeddingConfig{4, 1, "learned"}));
  save_schedule(model, {});
  update_model_info(model, [](ModelInfo& info) { info.class_names = {"ASD", "PAH"}; });
  const Conversion conversion(from(model));
  EXPECT_THAT(conversion.left_out(), IsEmpty());
  conversion.write(out_);
  const ModelDirectory written = ModelDirectory::open(out_);
  EXPECT_THAT(written.info().class_names, ElementsAre("ASD", "PAH"));
  for (const char* component : {"lidm", "class_embedding/lidm", "scheduler"}) {
    EXPECT_EQ(written.info().hashes.at(component), written.component_hash(component)) << component;
    EXPECT_EQ(written.component_hash(component),
              ModelDirectory::open(model).component_hash(component));
  }
}

}  // namespace
}  // namespace echopath::models
