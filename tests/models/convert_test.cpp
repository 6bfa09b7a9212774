#include "echopath/models/convert.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/io/pt_reader.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/weights.hpp"
#include "models/fixture.hpp"

namespace echopath::models {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::hashed_values;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

const fs::path kFixtures = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/convert";
constexpr const char* kWeights = "diffusion_pytorch_model.safetensors";

ConvertOptions from(const fs::path& source, const fs::path& config = {}) {
  ConvertOptions options;
  options.source = source.string();
  options.config = config.string();
  return options;
}

config::Json config_of(const fs::path& directory) {
  return config::read_json((directory / "config.json").string());
}

/// Every tensor holds the values that the fixtures' script gave to its name.
void expect_hashed_weights(const fs::path& directory, std::size_t count,
                           at::ScalarType dtype = at::kFloat) {
  const io::SafetensorsFile file(directory / kWeights);
  EXPECT_EQ(file.names().size(), count);
  for (const std::string& name : file.names()) {
    const at::Tensor tensor = file.tensor(name);
    const at::Tensor expected =
        tensor.is_floating_point()
            ? hashed_values(name, tensor.numel()).view(tensor.sizes()).to(dtype)
            : at::zeros_like(tensor);
    EXPECT_EQ(tensor.scalar_type(), expected.scalar_type()) << name;
    EXPECT_TRUE(at::equal(tensor, expected)) << name;
  }
}

/// The re-identification fixture's tensors, to be spoiled.
io::TensorMap reid_tensors() {
  io::TensorMap tensors;
  for (const auto& [name, tensor] : io::load_pt(kFixtures / "reid_stream.pth")) {
    tensors[name.substr(std::string("state_dict.module.").size())] = tensor.clone();
  }
  return tensors;
}

/// The largest resident set of this process.
double peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return 1024.0 * std::stod(line.substr(6));
  }
  return 0.0;
}

class Convert : public ::testing::Test {
 protected:
  fs::path write(const std::string& name, const io::TensorMap& tensors) {
    io::save_safetensors(folder_ / name, tensors);
    return folder_ / name;
  }
  fs::path write_text(const std::string& name, const std::string& text) {
    write_file(folder_ / name, text);
    return folder_ / name;
  }
  fs::path copy_of_shards() {
    fs::copy(kFixtures / "sharded", folder_ / "sharded", fs::copy_options::recursive);
    return folder_ / "sharded";
  }

  TemporaryDirectory folder_;
  fs::path out_ = folder_ / "out";
};

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

TEST_F(Convert, HugeConfigsBesideSmallWeightsCostNoMemory) {
  fs::copy(kFixtures / "legacy_attention", folder_ / "vae");
  config::Json vae = config_of(folder_ / "vae");
  vae["block_out_channels"] = {1024, 1024, 1024};  // 1.5 GB of weights
  vae["layers_per_block"] = 2;
  vae["down_block_types"] = vae["up_block_types"] = config::Json::array();
  write_text("vae/config.json", vae.dump());
  write("resnet/weights.safetensors", {{"conv1.weight", at::ones({4, 3, 7, 7})}});
  write_text("resnet/config.json", R"({"_class_name": "ResNet", "width": 256})");  // another 1.5 GB
  for (const char* source : {"vae", "resnet"}) {
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts anew
    const double before = peak_bytes();
    const Conversion conversion(from(folder_ / source));
    expect_error<DataError>([&] { conversion.require_complete(); }, "wrong shape");
    EXPECT_LT(peak_bytes() - before, 200e6) << source;
  }
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

TEST_F(Convert, TwoNetworksForOneFolderAreRefused) {
  fs::create_directories(folder_ / "pipeline");
  fs::copy(kFixtures / "sharded", folder_ / "pipeline/unet", fs::copy_options::recursive);
  fs::copy(kFixtures / "checkpoint-7/unet_ema", folder_ / "pipeline/lidm",
           fs::copy_options::recursive);
  expect_error<DataError>([&] { Conversion{from(folder_ / "pipeline")}; }, "'lidm/'");
}

TEST_F(Convert, ReferenceLatentsAreUnscaled) {
  const fs::path source = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/data/latents.pt";
  const at::Tensor scaled = io::load_pt(source).at("");
  const Conversion conversion(from(source));
  EXPECT_EQ(conversion.latent_videos(), 1);
  EXPECT_THAT(conversion.networks(), IsEmpty());
  expect_error<UsageError>([&] { conversion.write(out_); }, "something.safetensors");
  conversion.write(folder_ / "one.safetensors");
  const io::SafetensorsFile file(folder_ / "one.safetensors");
  EXPECT_TRUE(at::allclose(file.tensor("mean") * 0.18215, scaled.to(at::kFloat)));
  EXPECT_EQ(file.tensor("logvar").max().item<float>(), -30.0F);
  EXPECT_EQ(file.metadata().at("scaling_factor"), "0.18215");
}

TEST_F(Convert, ADirectoryOfReferenceLatentsBecomesOneOfOurs) {
  fs::create_directories(folder_ / "reference/Latents");
  const fs::path source = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/data/latents.pt";
  fs::copy(source, folder_ / "reference/Latents/A.pt");
  write_text("reference/FileList.csv", "FileName,ClassName,Split,FPS\nA,PAH,TRAIN,32\n");
  Conversion(from(folder_ / "reference")).write(out_);
  EXPECT_TRUE(fs::exists(out_ / "Latents/A.safetensors"));
  const data::LatentDataset dataset = data::LatentDataset::open(out_);
  EXPECT_THAT(dataset.class_names(), ElementsAre("PAH"));
  EXPECT_TRUE(at::equal(dataset.load(dataset.studies()[0]).mean,
                        data::read_reference_latents(source).mean));
}

TEST_F(Convert, AFolderOfReferenceLatentsWithoutListBecomesOneOfOurFiles) {
  const fs::path source = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/data/latents.pt";
  fs::create_directories(folder_ / "bare/Latents");
  for (const char* name : {"Latents/A.pt", "Latents/B.pt"}) {
    fs::copy(source, folder_ / "bare" / name);
  }
  const at::Tensor mean = data::read_reference_latents(source).mean;
  Conversion(from(folder_ / "bare")).write(out_);
  EXPECT_TRUE(at::equal(io::SafetensorsFile(out_ / "Latents/B.safetensors").tensor("mean"), mean));
  const Conversion conversion(from(folder_ / "bare/Latents"));
  EXPECT_EQ(conversion.latent_videos(), 2);
  EXPECT_THAT(conversion.left_out(), IsEmpty());
  conversion.write(folder_ / "flat");
  EXPECT_TRUE(at::equal(io::SafetensorsFile(folder_ / "flat/A.safetensors").tensor("mean"), mean));
}

TEST_F(Convert, LatentsThatAreNoneAreRefused) {
  const fs::path place = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/data";
  for (const char* name : {"latents_of_integers.pt", "latents_without_frames.pt"}) {
    expect_error<DataError>([&] { Conversion{from(place / name)}; },
                            std::string(name) + " holds no latent video");
  }
  const ConvertOptions options = from(place / "latents_with_nan.pt");
  expect_error<DataError>([&] { Conversion(options).require_convertible(""); }, "not finite");
  expect_error<DataError>([&] { Conversion(options).write(folder_ / "x.safetensors"); },
                          "not finite");
  EXPECT_FALSE(fs::exists(folder_ / "x.safetensors"));
}

TEST_F(Convert, WhatWriteWouldRefuseIsKnownBefore) {
  const Conversion latents(from(fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/data/latents.pt"));
  EXPECT_NO_THROW(latents.require_convertible(""));
  EXPECT_NO_THROW(latents.require_convertible(folder_ / "one.safetensors"));
  expect_error<UsageError>([&] { latents.require_convertible(out_); }, "something.safetensors");
  write_text("one.safetensors", "mine");
  expect_error<DataError>([&] { latents.require_convertible(folder_ / "one.safetensors"); },
                          "the file '" + (folder_ / "one.safetensors").string() + "' exists");
  const Conversion network(from(kFixtures / "sharded"));
  EXPECT_NO_THROW(network.require_convertible(out_));
  fs::create_directory(out_);
  expect_error<DataError>([&] { network.require_convertible(out_); }, "exists already");
}

TEST_F(Convert, EveryFaultIsListedAndNothingIsWritten) {
  io::TensorMap tensors = reid_tensors();
  tensors.erase("fc_end.bias");
  tensors.erase("model.layer4.0.bn2.running_var");
  tensors["model.surplus"] = at::ones({1});
  tensors["other"] = at::ones({1});
  tensors["model.layer1.0.bn1.weight"] = at::ones({3});
  tensors["model.layer2.0.bn1.weight"] = at::ones({8}, at::kInt);
  tensors["model.layer3.0.bn1.bias"].fill_(std::numeric_limits<float>::quiet_NaN());
  tensors["model.layer3.0.bn2.bias"][1] = std::numeric_limits<float>::infinity();
  const Conversion conversion(from(write("reid.safetensors", tensors)));
  EXPECT_THAT(conversion.networks().front().missing,
              ElementsAre("fc_end.bias", "model.layer4.0.bn2.running_var"));
  EXPECT_THAT(conversion.networks().front().surplus, ElementsAre("model.surplus", "other"));
  for (const char* part :
       {"reid.safetensors: the weights do not fit the network; missing: fc_end.bias, "
        "model.layer4.0.bn2.running_var; not in the network: model.surplus, other; wrong shape: "
        "model.layer1.0.bn1.weight is [3], not [4]; wrong dtype: model.layer2.0.bn1.weight is "
        "Int, not Float; values that are not finite in 'model.layer3.0.bn1.bias', "
        "'model.layer3.0.bn2.bias'"}) {
    expect_error<DataError>([&] { conversion.require_complete(); }, part);
    expect_error<DataError>([&] { conversion.write(out_); }, part);
  }
  EXPECT_FALSE(fs::exists(out_));
}

TEST_F(Convert, NotFiniteWeightsAreKeptOnlyWhenAllowed) {
  io::TensorMap tensors = reid_tensors();
  tensors["fc_end.bias"].fill_(std::numeric_limits<float>::quiet_NaN());
  ConvertOptions options = from(write("reid.safetensors", tensors));
  expect_error<DataError>([&] { Conversion(options).write(out_); }, "not finite in 'fc_end.bias'");
  options.allow_nonfinite = true;
  const Conversion conversion(options);
  EXPECT_THAT(conversion.networks().front().notes, Contains(HasSubstr("fc_end.bias")));
  conversion.write(out_);
  EXPECT_TRUE(
      at::isnan(io::SafetensorsFile(out_ / kWeights).tensor("fc_end.bias")).all().item<bool>());
}

TEST_F(Convert, DamagedShardsAndIndicesAreNamed) {
  const fs::path source = copy_of_shards();
  const fs::path index = source / (std::string(kWeights) + ".index.json");
  const fs::path shard = source / "diffusion_pytorch_model-00002-of-00004.safetensors";
  const std::string good = read_file(index);
  const auto refuse = [&](const std::string& part) {
    expect_error<DataError>([&] { Conversion{from(source)}; }, part);
  };
  const auto with_map = [&](const std::string& map) {
    write_file(index, R"({"metadata": {}, "weight_map": )" + map + "}");
  };
  for (const std::string place : {"../x.safetensors", "/etc/passwd", "a/b.safetensors", "..", ""}) {
    with_map(R"({"conv_in.bias": ")" + place + "\"}");
    refuse("the shard of 'conv_in.bias' points outside the folder: '" + place + "'");
  }
  with_map(R"({"conv_in.bias": 3})");
  refuse("is no text");
  with_map("{}");
  refuse("no 'weight_map'");
  write_file(index, "{");
  refuse("index.json");
  config::Json json = config::parse_json(good, "index");
  json["weight_map"]["invented"] = shard.filename().string();
  write_file(index, json.dump());
  refuse("00002-of-00004.safetensors: lacks tensors that the index places there: invented");
  json = config::parse_json(good, "index");
  json["weight_map"].erase("conv_in.bias");
  write_file(index, json.dump());
  refuse("holds tensors that the index does not place there: conv_in.bias");
  write_file(index, good);
  fs::resize_file(shard, fs::file_size(shard) - 5);
  refuse("00002-of-00004.safetensors");
  fs::remove(shard);
  refuse("00002-of-00004.safetensors");
}

TEST_F(Convert, EveryFaultOfAnIndexAndItsShardsIsListed) {
  const fs::path source = copy_of_shards();
  const fs::path index = source / (std::string(kWeights) + ".index.json");
  const auto shard = [&](int number) {
    return "diffusion_pytorch_model-0000" + std::to_string(number) + "-of-00004.safetensors";
  };
  const auto refuse = [&](const std::vector<std::string>& parts) {
    for (const std::string& part : parts) {
      expect_error<DataError>([&] { Conversion{from(source)}; }, part);
    }
  };
  const config::Json good = config::read_json(index.string());
  config::Json json = good;
  json["weight_map"]["invented_1"] = shard(1);
  json["weight_map"]["invented_3"] = shard(3);
  write_file(index, json.dump());
  refuse({shard(1) + ": lacks tensors that the index places there: invented_1; ",
          shard(3) + ": lacks tensors that the index places there: invented_3"});
  json["weight_map"]["outside_1"] = "../x";
  json["weight_map"]["outside_2"] = 4;
  write_file(index, json.dump());
  refuse(
      {"the shard of 'outside_1' points outside the folder: '../x'; the shard of 'outside_2' is "
       "no text"});
  write_file(index, good.dump());
  fs::remove(source / shard(2));
  fs::remove(source / shard(4));
  refuse({shard(2), shard(4)});
}

TEST_F(Convert, HostilePicklesAreRefusedByName) {
  const fs::path pickles = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/pt";
  expect_error<DataError>([&] { Conversion{from(pickles / "evil_zip.pt")}; }, "'posix.system'");
  expect_error<DataError>([&] { Conversion{from(pickles / "evil_stream.pt")}; }, "'posix.system'");
  expect_error<DataError>([&] { Conversion{from(kFixtures / "bomb.pt")}; },
                          "is compressed or encrypted");
}

TEST_F(Convert, SourcesThatAreNothingSaySo) {
  const auto refuse = [&](const fs::path& source, const std::string& part) {
    expect_error<DataError>([&] { Conversion{from(source)}; }, part);
  };
  refuse(folder_ / "absent", "absent");
  fs::create_directories(folder_ / "empty");
  refuse(folder_ / "empty", "holds nothing to convert");
  fs::create_directories(folder_ / "run/checkpoint-10");
  fs::create_directories(folder_ / "run/checkpoint-20");
  refuse(folder_ / "run", "holds several checkpoints (checkpoint-10, checkpoint-20)");
  write_text("bare/config.json", R"({"_class_name": "AutoencoderKL"})");
  refuse(folder_ / "bare", "has a config.json but no weights");
  refuse(write("x.safetensors", {{"a", at::ones({1})}, {"b", at::ones({1})}}),
         "its 2 tensors are of no network that is known ('a', 'b')");
  refuse(write_text("x.bin", "text"), "not a file of torch.save");
  write("two/a.safetensors", {{"a", at::ones({1})}});
  write("two/b.safetensors", {{"b", at::ones({1})}});
  refuse(folder_ / "two", "several files that could be the weights (a.safetensors, b.safetensors)");
}

TEST_F(Convert, ConfigsThatCannotBeBuiltAreRefused) {
  fs::copy(kFixtures / "legacy_attention", folder_ / "vae");
  config::Json config = config_of(folder_ / "vae");
  config["norm_num_groups"] = 3;
  write_text("vae/config.json", config.dump());
  expect_error<ConfigError>([&] { Conversion{from(folder_ / "vae")}; },
                            "does not divide by norm_num_groups = 3");
  config["_class_name"] = "FluxTransformer2DModel";
  write_text("vae/config.json", config.dump());
  expect_error<ConfigError>([&] { Conversion{from(folder_ / "vae")}; },
                            "_class_name is 'FluxTransformer2DModel'; supported: AutoencoderKL");
}

TEST_F(Convert, AnExistingDestinationIsNotTouched) {
  write_text("out/mine.txt", "precious");
  const Conversion conversion(from(kFixtures / "sharded"));
  expect_error<DataError>([&] { conversion.write(out_); }, "exists already");
  EXPECT_EQ(read_file(out_ / "mine.txt"), "precious");
}

}  // namespace
}  // namespace echopath::models
