#include "echopath/nn/checkpointing.hpp"

#include <gtest/gtest.h>

#include "models/network_case.hpp"

namespace echopath::models {
namespace {

using testing::Fixture;
using testing::make_case;
using testing::NetworkCase;

/// Gradients of the fixture's loss in the parameters and the inputs.
testing::Tensors gradients(const std::string& fixture, bool checkpointing) {
  const NetworkCase network = make_case(Fixture(fixture));
  {
    const nn::CheckpointingScope scope(checkpointing);
    testing::loss_of(network.run(network.inputs)).backward();
  }
  testing::Tensors found;
  for (const auto& item : network.module->named_parameters()) {
    if (item.value().grad().defined()) found["parameter " + item.key()] = item.value().grad();
  }
  for (const auto& [name, input] : network.inputs) {
    if (input.requires_grad() && input.grad().defined()) found["input " + name] = input.grad();
  }
  return found;
}

/// Sum of the squares of all elements.
double squares(const testing::Tensors& tensors) {
  double total = 0.0;
  for (const auto& [name, tensor] : tensors) {
    total += tensor.to(torch::kDouble).square().sum().item<double>();
  }
  return total;
}

class ActivationCheckpointing : public ::testing::TestWithParam<const char*> {};

TEST_P(ActivationCheckpointing, GivesTheGradientsOfThePlainPass) {
  const testing::Tensors plain = gradients(GetParam(), false);
  const testing::Tensors checkpointed = gradients(GetParam(), true);
  ASSERT_GT(plain.size(), 10U);
  ASSERT_EQ(checkpointed.size(), plain.size()) << "the same parameters take part";
  const double whole = squares(plain);
  double difference = 0.0;
  for (const auto& [name, gradient] : plain) {
    const auto found = checkpointed.find(name);
    ASSERT_NE(found, checkpointed.end()) << name;
    const double error = squares({{name, found->second - gradient}});
    // A bias of keys, or before a norm, has a gradient of zero but for rounding: hence the floor.
    EXPECT_LE(error, 1e-10 * squares({{name, gradient}}) + 1e-14 * whole) << name;
    difference += error;
  }
  EXPECT_LE(std::sqrt(difference / whole), 1e-6) << "relative L2 of the whole gradient";
  std::printf("%s: relative L2 difference %.2g\n", GetParam(), std::sqrt(difference / whole));
}

INSTANTIATE_TEST_SUITE_P(EveryNetwork, ActivationCheckpointing,
                         ::testing::Values("unet_2d", "unet_2d_conv", "unet_2d_condition",
                                           "unet_2d_condition_cross", "unet_spatio_temporal",
                                           "unet_spatio_temporal_tokens",
                                           "unet_spatio_temporal_odd", "vae"));

}  // namespace
}  // namespace echopath::models
