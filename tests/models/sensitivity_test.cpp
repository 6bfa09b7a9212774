// Whether the fixtures would notice a wrong eps, and how far bfloat16 is from them.
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

#include "echopath/models/reid.hpp"
#include "echopath/nn/layers.hpp"
#include "models/network_case.hpp"

namespace echopath::models {
namespace {

using testing::Fixture;
using testing::make_case;
using testing::NetworkCase;
using testing::relative_error;
using testing::Tensors;

constexpr double kOutputTolerance = 1e-4;

/// The largest error of the outputs, each relative to its reference.
double error_of(const Fixture& fixture, const Tensors& outputs) {
  double largest = 0.0;
  for (const auto& [name, output] : outputs) {
    largest = std::max(largest, relative_error(output, fixture[name]));
  }
  return largest;
}

/// Exchanges 1e-5 and 1e-6 in a norm; false where `module` is none.
bool swap_eps(torch::nn::Module& module) {
  const auto other = [](double eps) { return eps == 1e-5 ? 1e-6 : 1e-5; };
  if (auto* group_norm = module.as<nn::GroupNorm>()) {
    group_norm->set_eps(other(group_norm->eps()));
  } else if (auto* layer_norm = module.as<nn::LayerNorm>()) {
    layer_norm->set_eps(other(layer_norm->eps()));
  } else if (auto* image_norm = module.as<torch::nn::BatchNorm2dImpl>()) {
    image_norm->options.eps(other(image_norm->options.eps()));
  } else if (auto* video_norm = module.as<torch::nn::BatchNorm3dImpl>()) {
    video_norm->options.eps(other(video_norm->options.eps()));
  } else {
    return false;
  }
  return true;
}

/// The fixture's variances are as small as the eps: right, it agrees; with the eps of any one norm
/// swapped it does not. `norms` is how many diffusers' or torchvision's network has.
void check_every_eps(const std::string& name, int norms) {
  const torch::NoGradGuard no_grad;
  const Fixture fixture(name);
  const NetworkCase network = make_case(fixture);
  EXPECT_LE(error_of(fixture, network.run(network.inputs)), kOutputTolerance) << name;
  int swapped = 0;
  for (const auto& item : network.module->named_modules()) {
    if (!swap_eps(*item.value())) continue;
    EXPECT_GT(error_of(fixture, network.run(network.inputs)), kOutputTolerance)
        << name << ": swapping the eps of " << item.key() << " goes unnoticed";
    swap_eps(*item.value());
    ++swapped;
  }
  EXPECT_EQ(swapped, norms) << name;
}

TEST(Eps, EveryNormOfTheVaeHasDiffusersEps) {
  check_every_eps("vae_eps", 24);
}

TEST(Eps, EveryNormOfTheImageUNetsHasDiffusersEps) {
  check_every_eps("unet_2d_eps", 21);
  check_every_eps("unet_2d_condition_eps", 24);
}

TEST(Eps, EveryNormOfTheVideoUNetHasDiffusersEps) {
  check_every_eps("unet_spatio_temporal_eps", 65);
}

TEST(Eps, EveryNormOfTheResNetsHasTorchvisionsEps) {
  check_every_eps("resnet_eps", 17);
  check_every_eps("video_resnet_3d_eps", 12);
  check_every_eps("video_resnet_2plus1d_eps", 21);
}

constexpr double kBFloat16Tolerance = 3e-2;

void check_bfloat16_weights(const std::string& name) {
  const torch::NoGradGuard no_grad;
  const Fixture fixture(name);
  const NetworkCase network = make_case(fixture);
  network.module->to(at::kBFloat16);
  Tensors inputs = network.inputs;
  for (auto& [input, tensor] : inputs) {
    if (tensor.is_floating_point() && input != "timestep") tensor = tensor.to(at::kBFloat16);
  }
  EXPECT_LE(error_of(fixture, network.run(inputs)), kBFloat16Tolerance) << name;
}

/// As `training.precision = bf16` runs: float32 weights under autocast.
void check_autocast(const std::string& name) {
  const torch::NoGradGuard no_grad;
  const Fixture fixture(name);
  const NetworkCase network = make_case(fixture);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  const Tensors outputs = network.run(network.inputs);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  EXPECT_LE(error_of(fixture, outputs), kBFloat16Tolerance) << name;
}

const std::vector<std::string> kNetworks = {"vae",
                                            "unet_2d",
                                            "unet_2d_condition",
                                            "unet_spatio_temporal",
                                            "resnet_narrow",
                                            "video_resnet_3d_narrow",
                                            "video_resnet_2plus1d_narrow"};

/// The embeddings are what the privacy gate compares. The logit, a function of small differences of
/// them, loses 5e-2 and 1.4e-1 in torchvision too where weights and activations are bfloat16.
TEST(BFloat16, ReIdEmbeddingsKeepTheirValues) {
  const torch::NoGradGuard no_grad;
  for (const std::string name : {"reid_resnet18", "reid_resnet50"}) {
    const Fixture fixture(name);
    ReIdNet network(fixture.config<ReIdConfig>());
    testing::fill(*network);
    network->eval();
    network->to(at::kBFloat16);
    const torch::Tensor embedding = network->embed(fixture["a"].to(at::kBFloat16));
    EXPECT_LE(relative_error(embedding, fixture["embedding"]), kBFloat16Tolerance) << name;
  }
}

TEST(BFloat16, ReIdLogitsKeepTheirValuesUnderAutocast) {
  for (const std::string name : {"reid_resnet18", "reid_resnet50"}) check_autocast(name);
}

TEST(BFloat16, WeightsAndActivationsKeepTheOutput) {
  for (const std::string& name : kNetworks) check_bfloat16_weights(name);
}

TEST(BFloat16, AutocastKeepsTheOutput) {
  for (const std::string& name : kNetworks) check_autocast(name);
}

}  // namespace
}  // namespace echopath::models
