// Blocks against diffusers where the networks never call them so: a context for each frame, and
// frames that are still images. Also what one context token leaves without effect.
#include <gtest/gtest.h>

#include "echopath/nn/spatio_temporal.hpp"
#include "models/network_case.hpp"

namespace echopath::models {
namespace {

using testing::expect_close;
using testing::Fixture;

constexpr std::int64_t kFrames = 3;

void check_transformer(const std::string& name) {
  const Fixture fixture(name);
  nn::TransformerOptions options;
  options.channels = 32;
  options.heads = 4;
  options.layers = 2;
  options.cross_attention_dim = 6;
  nn::TransformerSpatioTemporal transformer(options);
  testing::fill(transformer);
  fixture.expect_state_dict(transformer);
  const torch::Tensor x = fixture["x"].requires_grad_();
  const torch::Tensor context = fixture["context"].requires_grad_();  // [B·T, L, D]
  nn::StepContext step;
  step.frames = kFrames;
  step.frame_numbers = torch::arange(kFrames);
  step.context = context.unflatten(0, {-1, kFrames});
  step.image_only_indicator = fixture["stills"];
  const torch::Tensor output =
      transformer.forward(x.contiguous(at::MemoryFormat::ChannelsLast), step);
  expect_close(output, fixture["output"], 1e-4, name);
  fixture.expect_gradients(transformer, testing::loss_of("sample", output),
                           {{"x", x}, {"context", context}});
}

TEST(BlockParity, TransformerWithOneTokenForEachFrameAndStillFramesEqualsDiffusers) {
  check_transformer("block_transformer_1");
}

TEST(BlockParity, TransformerWithThreeTokensForEachFrameAndStillFramesEqualsDiffusers) {
  check_transformer("block_transformer_3");
}

TEST(BlockParity, ResidualBlockWithStillFramesEqualsDiffusers) {
  const Fixture fixture("block_resnet");
  nn::SpatioTemporalResBlock block({32, 64, 16, 1e-6});
  testing::fill(block);
  fixture.expect_state_dict(block);
  const torch::Tensor x = fixture["x"].requires_grad_();
  const torch::Tensor temb = fixture["temb"].requires_grad_();
  nn::StepContext step;
  step.frames = kFrames;
  step.activated_temb = at::silu(temb);
  step.image_only_indicator = fixture["stills"];
  const torch::Tensor output = block.forward(x.contiguous(at::MemoryFormat::ChannelsLast), step);
  expect_close(output, fixture["output"], 1e-4, "block_resnet");
  fixture.expect_gradients(block, testing::loss_of("sample", output), {{"x", x}, {"temb", temb}});
}

/// Every parameter takes part; those that one context token leaves without effect, with zeros.
void check_one_token(const std::string& name, int unused) {
  const testing::NetworkCase network = testing::make_case(Fixture(name));
  testing::loss_of(network.run(network.inputs)).backward();
  int zeros = 0;
  for (const auto& item : network.module->named_parameters()) {
    const torch::Tensor& gradient = item.value().grad();
    ASSERT_TRUE(gradient.defined()) << name << ": " << item.key();
    const bool queries_or_keys = item.key().find("attn2.to_q") != std::string::npos ||
                                 item.key().find("attn2.to_k") != std::string::npos ||
                                 item.key().find("0.norm2.") != std::string::npos;
    if (!queries_or_keys || item.key().find("transformer_blocks") == std::string::npos) continue;
    EXPECT_EQ(gradient.count_nonzero().item<std::int64_t>(), 0) << name << ": " << item.key();
    EXPECT_EQ(gradient.sizes(), item.value().sizes());
    ++zeros;
  }
  EXPECT_EQ(zeros, unused) << name;
}

TEST(OneContextToken, UnusedParametersGetZeroGradients) {
  check_one_token("unet_2d_condition", 4);      // one transformer block, in the middle
  check_one_token("unet_spatio_temporal", 32);  // four transformers, spatial and temporal
}

}  // namespace
}  // namespace echopath::models
