// Every network against diffusers 0.42.1 and torchvision: state dict, output, gradients, and what
// goes into config.json. tests/fixtures/models/make_fixtures.py made the reference tensors.
#include <gtest/gtest.h>

#include "echopath/models/padding.hpp"
#include "echopath/models/reid.hpp"
#include "models/network_case.hpp"

namespace echopath::models {
namespace {

using testing::expect_close;
using testing::Fixture;
using testing::make_case;
using testing::NetworkCase;
using testing::Tensors;

constexpr double kOutputTolerance = 1e-4;

void expect_outputs(const Fixture& fixture, const Tensors& outputs) {
  for (const auto& [name, output] : outputs) {
    expect_close(output, fixture[name], kOutputTolerance, fixture.name() + ": " + name);
  }
}

/// Outputs and gradients.
void check(const std::string& name) {
  const Fixture fixture(name);
  const NetworkCase network = make_case(fixture);
  const Tensors outputs = network.run(network.inputs);
  expect_outputs(fixture, outputs);
  fixture.expect_gradients(*network.module, testing::loss_of(outputs), network.inputs);
}

/// Those, and names, shapes and config.
void check_all(const std::string& name) {
  check(name);
  const Fixture fixture(name);
  const NetworkCase network = make_case(fixture);
  fixture.expect_state_dict(*network.module);
  const config::Json theirs = fixture.config_json();
  for (const auto& [key, value] : theirs.items()) {
    if (key[0] == '_') continue;
    ASSERT_TRUE(network.written_config.contains(key)) << name << ": " << key;
    EXPECT_EQ(network.written_config[key], value) << name << ": " << key;
  }
}

void check_outputs(const std::string& name, Compatibility compatibility = {}) {
  const torch::NoGradGuard no_grad;
  const Fixture fixture(name);
  const NetworkCase network = make_case(fixture, compatibility);
  expect_outputs(fixture, network.run(network.inputs));
}

TEST(AutoencoderKLParity, EqualsDiffusers) {
  check_all("vae");
}

TEST(UNet2DConditionParity, SelfAttentionBlocksEqualDiffusers) {
  check_all("unet_2d_condition");
}

TEST(UNet2DConditionParity, CrossAttentionBlocksWithSeveralTokensEqualDiffusers) {
  check_all("unet_2d_condition_cross");
}

TEST(UNet2DParity, ResnetSamplersEqualDiffusers) {
  check_all("unet_2d");
}

TEST(UNet2DParity, ConvolutionSamplersAndSingleHeadEqualDiffusers) {
  check_all("unet_2d_conv");
}

TEST(UNetSpatioTemporalParity, MixedLabelsInABatchEqualDiffusers) {
  check_all("unet_spatio_temporal");
}

TEST(UNetSpatioTemporalParity, LongerClipsEqualDiffusers) {
  check_all("unet_spatio_temporal_long");
}

TEST(UNetSpatioTemporalParity, SeveralTokensTimeIdsAndLayersEqualDiffusers) {
  check_all("unet_spatio_temporal_tokens");
}

TEST(UNetSpatioTemporalParity, FewerGroupsOfNormsEqualDiffusersLayers) {
  check_all("unet_spatio_temporal_groups");
}

TEST(UNetSpatioTemporalParity, ContextMixUpEqualsDiffusersBefore028) {
  Compatibility compatibility;
  compatibility.context_mixup_0_27 = true;
  check_outputs("unet_spatio_temporal_mixup", compatibility);
}

/// 7×5 latents: padded by replication, with gradients through the padding; and as they are.
void check_odd_sizes(const std::string& name) {
  const Fixture fixture(name);
  const NetworkCase network = make_case(fixture);
  const PaddedLatents padded = pad_latents(network.inputs.at("sample"));
  ASSERT_EQ(padded.latents.sizes().slice(padded.latents.dim() - 2), at::IntArrayRef({8, 8}));
  Tensors inputs = network.inputs;
  inputs["sample"] = padded.latents;
  const torch::Tensor output = unpad_latents(network.run(inputs).at("output"), padded);
  expect_close(output, fixture["output"], kOutputTolerance, name);
  fixture.expect_gradients(*network.module, testing::loss_of("sample", output), network.inputs);
  expect_close(network.run(network.inputs).at("output"), fixture["unpadded"], kOutputTolerance,
               name + ", not padded");
}

TEST(OddSizesParity, ImagesEqualDiffusers) {
  check_odd_sizes("unet_2d_condition_odd");
}

TEST(OddSizesParity, VideosEqualDiffusers) {
  check_odd_sizes("unet_spatio_temporal_odd");
}

void check_reid(const std::string& name) {
  check_all(name);
  const Fixture fixture(name);
  ReIdNet network(fixture.config<ReIdConfig>());
  testing::fill(*network);
  network->eval();
  expect_close(network->embed(fixture["a"]), fixture["embedding"], kOutputTolerance,
               name + ": embedding");
  if (!fixture.contains("training_embedding")) return;
  network->train();
  const torch::Tensor batch = testing::hashed_values("input.batch", 8 * 4 * 64 * 64) * 1.7F;
  expect_close(network->embed(batch.view({8, 4, 64, 64})), fixture["training_embedding"],
               kOutputTolerance, name + ": embedding in training mode");
}

TEST(ReIdParity, ResNet50EqualsTorchvision) {
  check_reid("reid_resnet50");
}

TEST(ReIdParity, ResNet18EqualsTorchvision) {
  check_reid("reid_resnet18");
}

void check_classifier(const std::string& name) {
  check_all(name);
  const Fixture fixture(name);
  const NetworkCase network = make_case(fixture);
  network.module->train();
  std::vector<std::int64_t> shape = fixture["x"].sizes().vec();
  shape[0] = 8;
  shape[shape.size() - 2] *= 2;
  shape.back() *= 2;
  const torch::Tensor batch = testing::hashed_values("input.batch", c10::multiply_integers(shape));
  expect_close(network.run({{"x", (batch * 1.7F).view(shape)}}).at("output"), fixture["training"],
               kOutputTolerance, name + " in training mode");
}

TEST(ResNetParity, ResNet50EqualsTorchvision) {
  check_classifier("resnet50");
}

TEST(ResNetParity, R3D18EqualsTorchvision) {
  check_classifier("r3d_18");
}

TEST(ResNetParity, R2Plus1D18EqualsTorchvision) {
  check_classifier("r2plus1d_18");
}

TEST(ResNetParity, OtherWidthsAndDepthsAreTheSameCode) {
  check_classifier("resnet_narrow");
  check_classifier("video_resnet_3d_narrow");
  check_classifier("video_resnet_2plus1d_narrow");
}

}  // namespace
}  // namespace echopath::models
