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

AutoencoderKLConfig vae_config(std::vector<std::int64_t> channels) {
  AutoencoderKLConfig config;
  config.block_out_channels = std::move(channels);
  return config;
}

UNet2DConditionConfig lidm_config(std::int64_t in_channels) {
  UNet2DConditionConfig config;
  config.in_channels = in_channels;
  config.cross_attention_dim = {1};
  return config;
}

TEST(StateDict, VaeEqualsListing) {
  const AutoencoderKL vae(vae_config({128, 256, 256, 512}));
  EXPECT_EQ(shapes_of(*vae), read_listing("keys_vae_128_256_256_512.txt"));
  EXPECT_EQ(parameter_count(*vae), 62'412'007);
}

TEST(StateDict, WiderVaeEqualsListing) {
  const AutoencoderKL vae(vae_config({128, 256, 512, 512}));
  EXPECT_EQ(shapes_of(*vae), read_listing("keys_vae_128_256_512_512.txt"));
  EXPECT_EQ(parameter_count(*vae), 83'653'863);
}

TEST(StateDict, ConditionalLidmEqualsListing) {
  const UNet2DConditionModel unet(lidm_config(4));
  EXPECT_EQ(shapes_of(*unet), read_listing("keys_unet2dcond.txt"));
  EXPECT_EQ(parameter_count(*unet), 74'648'324);
}

TEST(StateDict, TripletLidmEqualsListing) {
  UNet2DConditionConfig config = lidm_config(12);
  config.out_channels = 12;
  const UNet2DConditionModel unet(config);
  EXPECT_EQ(shapes_of(*unet), read_listing("keys_unet2dcond12.txt"));
  EXPECT_EQ(parameter_count(*unet), 74'666'764);
}

TEST(StateDict, UnconditionalLidmEqualsListing) {
  const UNet2DModel unet{UNet2DConfig{}};
  EXPECT_EQ(shapes_of(*unet), read_listing("keys_unet2d.txt"));
  EXPECT_EQ(parameter_count(*unet), 73'548'804);
}

TEST(StateDict, LvdmEqualsListing) {
  UNetSpatioTemporalConfig config;
  config.cross_attention_dim = {1};
  const UNetSpatioTemporalConditionModel unet(config);
  EXPECT_EQ(shapes_of(*unet), read_listing("keys_st.txt"));
  EXPECT_EQ(parameter_count(*unet), 143'830'186);
}

TEST(StateDict, ResNet50HasTorchvisionsSize) {
  const ResNet resnet{ResNetOptions{}};
  EXPECT_EQ(state_dict(*resnet).size(), 320U);
  EXPECT_EQ(parameter_count(*resnet), 25'557'032);
}

}  // namespace
}  // namespace echopath::models
