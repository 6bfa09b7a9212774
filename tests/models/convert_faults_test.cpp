#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "core/peak_memory.hpp"
#include "echopath/config/options.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/models/convert.hpp"
#include "models/convert_support.hpp"

namespace echopath::models {
namespace {

using testing::config_of;
using ::testing::Contains;
using testing::Convert;
using ::testing::ElementsAre;
using testing::from;
using ::testing::HasSubstr;
using testing::kFixtures;
using testing::kWeights;
using testing::reid_tensors;

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
    restart_peak_bytes();
    const double before = peak_bytes();
    const Conversion conversion(from(folder_ / source));
    expect_error<DataError>([&] { conversion.require_complete(); }, "wrong shape");
    EXPECT_LT(peak_bytes() - before, 200e6) << source;
  }
}

TEST_F(Convert, TwoNetworksForOneFolderAreRefused) {
  fs::create_directories(folder_ / "pipeline");
  fs::copy(kFixtures / "sharded", folder_ / "pipeline/unet", fs::copy_options::recursive);
  fs::copy(kFixtures / "checkpoint-7/unet_ema", folder_ / "pipeline/lidm",
           fs::copy_options::recursive);
  expect_error<DataError>([&] { Conversion{from(folder_ / "pipeline")}; }, "'lidm/'");
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
