#include "echopath/nn/transformer.hpp"

#include <ATen/CPUGeneratorImpl.h>

#include "echopath/nn/spatio_temporal.hpp"
#include "echopath/nn/time_embedding.hpp"
#include "nn/compare.hpp"
#include "nn/geglu_kernel.hpp"

namespace echopath::nn {
namespace {

using testing::expect_close;
using testing::random_tensor;

torch::Tensor geglu_definition(const torch::Tensor& x) {
  const auto halves = x.chunk(2, -1);
  return halves[0] * at::gelu(halves[1]);
}

void check_geglu(at::ScalarType dtype, double tolerance) {
  const torch::Tensor x = (4.0 * random_tensor({3, 70, 2 * 37}, 1)).to(dtype).requires_grad_();
  const torch::Tensor y = geglu(x);
  const torch::Tensor direction = random_tensor(y.sizes(), 2);
  (y.to(torch::kFloat) * direction).sum().backward();
  const torch::Tensor x64 = x.detach().to(torch::kDouble).requires_grad_();
  const torch::Tensor y64 = geglu_definition(x64);
  (y64 * direction.to(torch::kDouble)).sum().backward();
  expect_close(y, y64, tolerance, "output");
  expect_close(x.grad(), x64.grad(), tolerance, "gradient");
}

TEST(Geglu, EqualsItsDefinitionInFloat64) {
  check_geglu(torch::kFloat, 1e-6);
}

TEST(Geglu, BFloat16KeepsItsOwnPrecision) {
  check_geglu(torch::kBFloat16, 8e-3);
}

TEST(Geglu, TailsOfTheGateKeepTheirPrecision) {
  const torch::Tensor gates = torch::tensor({-30.0F, -8.0F, -4.0F, 0.0F, 4.0F, 30.0F});
  const torch::Tensor x = torch::stack({torch::ones(6), gates}, 1);
  const torch::Tensor y = geglu(x).squeeze(1).to(torch::kDouble);
  for (int i = 0; i < 6; ++i) {
    const double gate = gates[i].item<double>();
    const double exact = gate * 0.5 * std::erfc(-gate / std::sqrt(2.0));
    EXPECT_NEAR(y[i].item<double>(), exact, 1e-5 * std::abs(exact) + 1e-36) << "gate " << i;
  }
}

TEST(Attention, TemporalViewEqualsAttentionOverPermutedFrames) {
  Attention attention({24, 0, 3, 8, false});
  const torch::Tensor x = random_tensor({2, 5, 7, 24}, 3);  // [B, T, S, C]
  const torch::Tensor sequences = x.permute({0, 2, 1, 3}).reshape({14, 5, 24});
  const torch::Tensor expected =
      attention.self_attention(sequences).view({2, 7, 5, 24}).permute({0, 2, 1, 3});
  expect_close(attention.temporal_self_attention(x), expected, 1e-5, "temporal attention");
}

TEST(Attention, OneContextTokenNeedsNoQuery) {
  Attention attention({24, 10, 3, 8, false});
  const torch::Tensor x = random_tensor({4, 6, 24}, 4);
  const torch::Tensor context = random_tensor({4, 1, 10}, 5);
  const torch::Tensor full = attention.cross_attention(x, context);
  expect_close(attention.single_token_attention(context).expand_as(full), full, 1e-6,
               "single-token attention");
}

TransformerOptions small_transformer() {
  TransformerOptions options;
  options.channels = 32;
  options.heads = 4;
  options.cross_attention_dim = 6;
  return options;
}

StepContext step_of(const torch::Tensor& context, std::int64_t frames) {
  StepContext step;
  step.context = context;
  step.frames = frames;
  step.frame_numbers = torch::arange(frames);
  return step;
}

TEST(Transformer, ContextPerFrameEqualsFramesRunAlone) {
  BasicTransformerBlock block(small_transformer());
  for (const std::int64_t tokens : {1, 3}) {
    const torch::Tensor x = random_tensor({2 * 3, 5, 32}, 6);
    const torch::Tensor context = random_tensor({2, 3, tokens, 6}, 7);  // [B, T, L, D]
    const torch::Tensor together = block.forward(x, step_of(context, 3));
    const torch::Tensor alone = block.forward(x, step_of(context.flatten(0, 1).unsqueeze(1), 1));
    expect_close(together, alone, 1e-5, "context per frame");
  }
}

TEST(Transformer, ContextPerFrameChangesSpatialAttentionButTemporalReadsTheFirst) {
  TransformerSpatioTemporal transformer(small_transformer());
  const torch::Tensor x =
      random_tensor({3, 32, 2, 2}, 8).contiguous(at::MemoryFormat::ChannelsLast);
  const torch::Tensor context = random_tensor({1, 3, 2, 6}, 9);
  TemporalTransformerBlock temporal(small_transformer());
  const torch::Tensor tokens = random_tensor({1, 3, 4, 32}, 10);
  const torch::Tensor with_all = temporal.forward(tokens, step_of(context, 3));
  const torch::Tensor with_first = temporal.forward(tokens, step_of(context.narrow(1, 0, 1), 3));
  EXPECT_TRUE(at::equal(with_all, with_first));
  const torch::Tensor per_frame = transformer.forward(x, step_of(context, 3));
  const torch::Tensor shared = transformer.forward(x, step_of(context.narrow(1, 0, 1), 3));
  // The first frame's spatial attention reads the same context in both; the others do not.
  EXPECT_GT((per_frame - shared).abs().max().item<double>(), 1e-3);
}

TEST(AlphaBlender, StillFramesKeepTheSpatialBranch) {
  AlphaBlender blender;
  const torch::Tensor spatial = random_tensor({2, 3, 4, 8}, 11);
  const torch::Tensor temporal = random_tensor({2, 3, 4, 8}, 12);
  StepContext step;
  step.frames = 3;
  const torch::Tensor blended = blender.forward(spatial, temporal, step);
  const double alpha = 1.0 / (1.0 + std::exp(-0.5));
  expect_close(blended, alpha * spatial + (1.0 - alpha) * temporal, 1e-6, "blend");
  step.image_only_indicator = torch::tensor({{1, 0, 0}, {0, 1, 0}});
  const torch::Tensor with_stills = blender.forward(spatial, temporal, step);
  EXPECT_TRUE(at::equal(with_stills[0][0], spatial[0][0]));
  EXPECT_TRUE(at::equal(with_stills[1][1], spatial[1][1]));
  expect_close(with_stills[0][2], blended[0][2], 1e-6, "moving frame");
}

TEST(TimeEmbedding, SinusoidsStartWithCosines) {
  const torch::Tensor embedding =
      sinusoidal_embedding(torch::tensor({0, 10}), SinusoidOptions{4, true, 0});
  const torch::Tensor expected = torch::tensor(
      {{1.0, 1.0, 0.0, 0.0}, {std::cos(10.0), std::cos(0.1), std::sin(10.0), std::sin(0.1)}});
  EXPECT_TRUE(at::allclose(embedding.to(torch::kDouble), expected.to(torch::kDouble), 0, 1e-6));
}

TEST(TimeEmbedding, WidthOneIsIdenticallyZero) {
  const torch::Tensor embedding =
      sinusoidal_embedding(torch::tensor({3.0, 32.0}), SinusoidOptions{1, true, 0});
  EXPECT_TRUE(at::equal(embedding, torch::zeros({2, 1})));
}

}  // namespace
}  // namespace echopath::nn
