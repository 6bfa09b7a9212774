// Every network against diffusers 0.42.1 and torchvision; tests/fixtures/models/make_fixtures.py
// made the reference tensors.
#include <gtest/gtest.h>

#include "echopath/models/autoencoder_kl.hpp"
#include "echopath/models/reid.hpp"
#include "echopath/models/unet_2d.hpp"
#include "echopath/models/unet_2d_condition.hpp"
#include "echopath/models/unet_spatio_temporal.hpp"
#include "models/fixture.hpp"

namespace echopath::models {
namespace {

using testing::expect_close;
using testing::fill;
using testing::Fixture;
using testing::loss_of;

constexpr double kOutputTolerance = 1e-4;

torch::Tensor with_grad(const at::Tensor& tensor) {
  return tensor.requires_grad_();
}

void check_vae(const std::string& name, bool with_gradients) {
  const Fixture fixture(name);
  AutoencoderKL vae(fixture.config<AutoencoderKLConfig>());
  fill(*vae, fixture.stream_gain());
  vae->eval();
  const torch::Tensor x = with_grad(fixture["x"]);
  const torch::Tensor z = with_grad(fixture["z"]);
  const DiagonalGaussian posterior = vae->encode(x);
  const torch::Tensor decoded = vae->decode(z);
  expect_close(posterior.mean, fixture["mean"], kOutputTolerance, name + ": mean");
  expect_close(posterior.logvar, fixture["logvar"], kOutputTolerance, name + ": logvar");
  expect_close(decoded, fixture["decoded"], kOutputTolerance, name + ": decoded");
  if (!with_gradients) return;
  const torch::Tensor loss = loss_of("mean", posterior.mean) + loss_of("logvar", posterior.logvar) +
                             loss_of("decoded", decoded);
  fixture.expect_gradients(*vae, loss, {{"x", x}, {"z", z}});
}

TEST(AutoencoderKLParity, OutputsAndGradientsEqualDiffusers) {
  check_vae("vae", true);
}

TEST(AutoencoderKLParity, EpsilonsEqualDiffusersWhereVariancesAreAsSmall) {
  check_vae("vae_eps", false);
}

void check_conditional(const std::string& name, bool with_gradients) {
  const Fixture fixture(name);
  UNet2DConditionModel unet(fixture.config<UNet2DConditionConfig>());
  fill(*unet, fixture.stream_gain());
  unet->eval();
  const torch::Tensor sample = with_grad(fixture["sample"]);
  const torch::Tensor context = with_grad(fixture["encoder_hidden_states"]);
  const torch::Tensor output = unet->forward(sample, fixture["timestep"], context);
  expect_close(output, fixture["output"], kOutputTolerance, name);
  if (!with_gradients) return;
  fixture.expect_gradients(*unet, loss_of("sample", output),
                           {{"sample", sample}, {"encoder_hidden_states", context}});
}

TEST(UNet2DConditionParity, SelfAttentionBlocksEqualDiffusers) {
  check_conditional("unet_2d_condition", true);
}

TEST(UNet2DConditionParity, CrossAttentionBlocksWithSeveralTokensEqualDiffusers) {
  check_conditional("unet_2d_condition_cross", true);
}

TEST(UNet2DConditionParity, EpsilonsEqualDiffusersWhereVariancesAreAsSmall) {
  check_conditional("unet_2d_condition_eps", false);
}

void check_unconditional(const std::string& name) {
  const Fixture fixture(name);
  UNet2DModel unet(fixture.config<UNet2DConfig>());
  fill(*unet, fixture.stream_gain());
  unet->eval();
  const torch::Tensor sample = with_grad(fixture["sample"]);
  const torch::Tensor output = unet->forward(sample, fixture["timestep"]);
  expect_close(output, fixture["output"], kOutputTolerance, name);
  fixture.expect_gradients(*unet, loss_of("sample", output), {{"sample", sample}});
}

TEST(UNet2DParity, ResnetSamplersEqualDiffusers) {
  check_unconditional("unet_2d");
}

TEST(UNet2DParity, ConvolutionSamplersAndSingleHeadEqualDiffusers) {
  check_unconditional("unet_2d_conv");
}

void check_spatio_temporal(const std::string& name, bool with_gradients,
                           Compatibility compatibility = {}) {
  const Fixture fixture(name);
  UNetSpatioTemporalConditionModel unet(fixture.config<UNetSpatioTemporalConfig>(), compatibility);
  fill(*unet, fixture.stream_gain());
  unet->eval();
  const std::map<std::string, torch::Tensor> inputs = {
      {"sample", with_grad(fixture["sample"])},
      {"encoder_hidden_states", with_grad(fixture["encoder_hidden_states"])},
      {"added_time_ids", with_grad(fixture["added_time_ids"])}};
  const torch::Tensor output =
      unet->forward(inputs.at("sample"), fixture["timestep"], inputs.at("encoder_hidden_states"),
                    inputs.at("added_time_ids"));
  expect_close(output, fixture["output"], kOutputTolerance, name);
  if (with_gradients) fixture.expect_gradients(*unet, loss_of("sample", output), inputs);
}

TEST(UNetSpatioTemporalParity, MixedLabelsInABatchEqualDiffusers) {
  check_spatio_temporal("unet_spatio_temporal", true);
}

TEST(UNetSpatioTemporalParity, LongerClipsEqualDiffusers) {
  check_spatio_temporal("unet_spatio_temporal_long", true);
}

TEST(UNetSpatioTemporalParity, SeveralTokensTimeIdsAndLayersEqualDiffusers) {
  check_spatio_temporal("unet_spatio_temporal_tokens", true);
}

TEST(UNetSpatioTemporalParity, EpsilonsEqualDiffusersWhereVariancesAreAsSmall) {
  check_spatio_temporal("unet_spatio_temporal_eps", false);
}

TEST(UNetSpatioTemporalParity, ContextMixUpEqualsDiffusersBefore028) {
  Compatibility compatibility;
  compatibility.context_mixup_0_27 = true;
  check_spatio_temporal("unet_spatio_temporal_mixup", false, compatibility);
}

void check_reid(const std::string& name) {
  const Fixture fixture(name);
  ReIdNet network(fixture.config<ReIdConfig>());
  fill(*network, fixture.stream_gain());
  network->eval();
  const torch::Tensor a = with_grad(fixture["a"]);
  const torch::Tensor b = with_grad(fixture["b"]);
  expect_close(network->embed(a), fixture["embedding"], kOutputTolerance, name + ": embedding");
  const torch::Tensor logit = network->forward(a, b);
  expect_close(logit, fixture["logit"], kOutputTolerance, name + ": logit");
  fixture.expect_gradients(*network, loss_of("logit", logit), {{"a", a}, {"b", b}});
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

}  // namespace
}  // namespace echopath::models
