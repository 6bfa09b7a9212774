// Names, shapes and parameter counts at the published sizes; the listings are diffusers' own.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "echopath/models/autoencoder_kl.hpp"
#include "echopath/models/reid.hpp"
#include "echopath/models/unet_2d.hpp"
#include "echopath/models/unet_2d_condition.hpp"
#include "echopath/models/unet_spatio_temporal.hpp"
#include "echopath/models/weights.hpp"

namespace echopath::models {
namespace {

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

/// Lines `name<TAB>(128, 8, 3, 3)`.
Shapes read_listing(const std::string& name) {
  std::ifstream file(std::string(ECHOPATH_SOURCE_DIR) + "/tests/fixtures/state_dict_keys/" + name);
  EXPECT_TRUE(file.good()) << name;
  Shapes shapes;
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) continue;
    std::string numbers = line.substr(tab + 1);
    for (char& c : numbers) {
      if (c == '(' || c == ')' || c == ',') c = ' ';
    }
    std::istringstream stream(numbers);
    std::int64_t size = 0;
    auto& shape = shapes[line.substr(0, tab)];
    while (stream >> size) shape.push_back(size);
  }
  return shapes;
}

Shapes shapes_of(const torch::nn::Module& module) {
  Shapes shapes;
  for (const auto& [name, tensor] : state_dict(module)) shapes[name] = tensor.sizes().vec();
  return shapes;
}

config::Json shipped_json(const std::string& config) {
  return config::read_json(std::string(ECHOPATH_SOURCE_DIR) + "/configs/" + config);
}

/// What a shipped config says of its network.
template <class Options>
Options shipped(const std::string& config) {
  Options options;
  config::apply(shipped_json(config).at("model"), config::visit_of(options), config);
  return options;
}

TEST(StateDict, VaeOfTheShippedConfigsEqualsListing) {
  for (const char* config : {"reference/vae.json", "echonet_synthetic/vae.json"}) {
    const AutoencoderKL vae(shipped<AutoencoderKLConfig>(config));
    EXPECT_EQ(shapes_of(*vae), read_listing("keys_vae_128_256_256_512.txt")) << config;
    EXPECT_EQ(parameter_count(*vae), 62'412'007) << config;
  }
}

TEST(StateDict, WiderVaeEqualsListing) {
  auto config = shipped<AutoencoderKLConfig>("reference/vae.json");
  config.block_out_channels = {128, 256, 512, 512};
  const AutoencoderKL vae(config);
  EXPECT_EQ(shapes_of(*vae), read_listing("keys_vae_128_256_512_512.txt"));
  EXPECT_EQ(parameter_count(*vae), 83'653'863);
}

TEST(StateDict, ConditionalLidmOfTheShippedConfigEqualsListing) {
  EXPECT_EQ(shipped_json("reference/lidm.json").at("architecture"), "UNet2DConditionModel");
  const UNet2DConditionModel unet(shipped<UNet2DConditionConfig>("reference/lidm.json"));
  EXPECT_EQ(shapes_of(*unet), read_listing("keys_unet2dcond.txt"));
  EXPECT_EQ(parameter_count(*unet), 74'648'324);
}

TEST(StateDict, TripletLidmEqualsListing) {
  auto config = shipped<UNet2DConditionConfig>("reference/lidm.json");
  config.in_channels = config.out_channels = 12;
  const UNet2DConditionModel unet(config);
  EXPECT_EQ(shapes_of(*unet), read_listing("keys_unet2dcond12.txt"));
  EXPECT_EQ(parameter_count(*unet), 74'666'764);
}

TEST(StateDict, UnconditionalLidmOfTheShippedConfigEqualsListing) {
  EXPECT_EQ(shipped_json("echonet_synthetic/lidm.json").at("architecture"), "UNet2DModel");
  const UNet2DModel unet(shipped<UNet2DConfig>("echonet_synthetic/lidm.json"));
  EXPECT_EQ(shapes_of(*unet), read_listing("keys_unet2d.txt"));
  EXPECT_EQ(parameter_count(*unet), 73'548'804);
}

TEST(StateDict, LvdmOfTheShippedConfigsEqualsListing) {
  for (const char* config : {"reference/lvdm.json", "echonet_synthetic/lvdm.json"}) {
    const UNetSpatioTemporalConditionModel unet(shipped<UNetSpatioTemporalConfig>(config));
    EXPECT_EQ(shapes_of(*unet), read_listing("keys_st.txt")) << config;
    EXPECT_EQ(parameter_count(*unet), 143'830'186) << config;
  }
}

TEST(StateDict, ResNet50HasTorchvisionsSize) {
  const ResNet resnet{ResNetOptions{}};
  EXPECT_EQ(state_dict(*resnet).size(), 320U);
  EXPECT_EQ(parameter_count(*resnet), 25'557'032);
}

}  // namespace
}  // namespace echopath::models
