// Each reproduction switch against the correct behaviour: they differ as the published code does.
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "echopath/models/class_embedding.hpp"
#include "echopath/models/padding.hpp"
#include "echopath/models/unet_2d_condition.hpp"
#include "models/network_case.hpp"

namespace echopath::models {
namespace {

using testing::Fixture;
using testing::make_case;
using testing::relative_error;
using testing::Tensors;

torch::Tensor random_tensor(at::IntArrayRef shape, std::uint64_t seed) {
  return torch::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed));
}

/// How far guidance with w = 5 moves the prediction for `label` away from the one without a
/// condition, relative to it.
double effect_of_guidance(ClassEmbedding embedding, std::int64_t label) {
  const torch::NoGradGuard no_grad;
  UNet2DConditionConfig config;
  config.block_out_channels = {16, 32};
  config.down_block_types = {"AttnDownBlock2D", "DownBlock2D"};
  config.up_block_types = {"UpBlock2D", "AttnUpBlock2D"};
  config.layers_per_block = {1};
  config.norm_num_groups = 8;
  config.cross_attention_dim = {embedding->context_width()};
  UNet2DConditionModel unet(config);
  testing::fill(*unet);
  unet->eval();
  const torch::Tensor sample = random_tensor({1, 4, 8, 8}, 1);
  const auto predict = [&](std::int64_t token) {
    const torch::Tensor context = embedding->forward(torch::tensor({token}));
    return unet->forward(sample, torch::tensor({400}), context);
  };
  const torch::Tensor unconditional = predict(embedding->null_label());
  return relative_error(unconditional + 5.0 * (predict(label) - unconditional), unconditional);
}

ClassEmbedding learned(bool null_is_class_zero) {
  Compatibility compatibility;
  compatibility.null_is_class_zero = null_is_class_zero;
  ClassEmbedding embedding(ClassEmbeddingConfig{4, 6, "learned"}, compatibility);
  testing::fill(*embedding);
  return embedding;
}

TEST(CompatibilityNull, ScalarConditioningMakesGuidanceForClassZeroANoOp) {
  const ClassEmbeddingConfig scalar{4, 6, "scalar"};
  EXPECT_EQ(effect_of_guidance(ClassEmbedding(scalar), 0), 0.0);
  EXPECT_GT(effect_of_guidance(ClassEmbedding(scalar), 1), 0.01);
  EXPECT_GT(effect_of_guidance(learned(false), 0), 0.01);
}

TEST(CompatibilityNull, ClassZeroInPlaceOfTheNullTokenDoesSoForLearnedVectors) {
  EXPECT_EQ(effect_of_guidance(learned(true), 0), 0.0);
  EXPECT_GT(effect_of_guidance(learned(true), 2), 0.01);
}

TEST(CompatibilityNull, ScalarModeGivesTheClassIndexAndZeroForNoCondition) {
  ClassEmbedding embedding(ClassEmbeddingConfig{4, 64, "scalar"});
  EXPECT_EQ(embedding->context_width(), 1);
  EXPECT_TRUE(embedding->parameters().empty());
  const torch::Tensor context = embedding->forward(torch::tensor({0, 1, 3, 4}));
  EXPECT_TRUE(at::equal(context, torch::tensor({0.0F, 1.0F, 3.0F, 0.0F}).view({4, 1, 1})));
}

/// How much sample 0 changes when the label of sample 1 does.
double leak_between_samples(bool context_mixup) {
  const torch::NoGradGuard no_grad;
  Compatibility compatibility;
  compatibility.context_mixup_0_27 = context_mixup;
  const auto network = make_case(Fixture("unet_spatio_temporal"), compatibility);
  Tensors inputs = network.inputs;
  const torch::Tensor mixed = network.run(inputs).at("output")[0];
  torch::Tensor context = inputs.at("encoder_hidden_states").detach().clone();
  context[1] = context[0];
  inputs["encoder_hidden_states"] = context;
  return relative_error(network.run(inputs).at("output")[0], mixed);
}

TEST(CompatibilityContext, TheOldExpansionMixesTheLabelsOfABatch) {
  EXPECT_GT(leak_between_samples(true), 1e-2);
  EXPECT_LT(leak_between_samples(false), 1e-5);
}

TEST(CompatibilityContext, TheOldExpansionIsRightForUniformLabels) {
  const torch::NoGradGuard no_grad;
  Compatibility compatibility;
  compatibility.context_mixup_0_27 = true;
  const Fixture fixture("unet_spatio_temporal");
  const auto correct = make_case(fixture);
  Tensors inputs = correct.inputs;
  inputs["encoder_hidden_states"] = random_tensor({1, 1, 6}, 2).expand({2, 1, 6});
  const auto old = make_case(fixture, compatibility);
  EXPECT_LT(relative_error(old.run(inputs).at("output"), correct.run(inputs).at("output")), 1e-5);
}

TEST(CompatibilityPadding, PublishedVariantPadsMultiplesOfEightAndLeavesFifteen) {
  Compatibility published;
  published.pad_multiples_of_eight = true;
  const auto padded_size = [&](std::int64_t size) {
    return pad_latents(torch::rand({1, size, size}), 8, published).latents.size(-1);
  };
  EXPECT_EQ(padded_size(14), 16);
  EXPECT_EQ(padded_size(28), 32);
  EXPECT_EQ(padded_size(12), 16);
  EXPECT_EQ(padded_size(16), 24);
  EXPECT_EQ(padded_size(13), 15);
  EXPECT_EQ(padded_size(15), 15);
}

}  // namespace
}  // namespace echopath::models
