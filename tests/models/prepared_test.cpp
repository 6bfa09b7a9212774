// What a sampler prepares once, against the plain forward pass.
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "echopath/models/unet_2d.hpp"
#include "echopath/models/unet_2d_condition.hpp"
#include "echopath/models/unet_spatio_temporal.hpp"
#include "models/network_case.hpp"

namespace echopath::models {
namespace {

using testing::Fixture;
using testing::make_case;
using testing::NetworkCase;
using testing::relative_error;

torch::Tensor random_tensor(at::IntArrayRef shape, std::uint64_t seed) {
  return torch::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed));
}

template <class Network>
Network& as(const NetworkCase& network) {
  return dynamic_cast<Network&>(*network.module);
}

VideoConditions prepare_all(UNetSpatioTemporalConditionModelImpl& unet,
                            const testing::Tensors& in) {
  VideoConditions conditions;
  conditions.time = unet.prepare_time(in.at("timestep"), in.at("added_time_ids"));
  conditions.context = unet.prepare_context(in.at("encoder_hidden_states"));
  conditions.frame_numbers = unet.prepare_frames(in.at("sample").size(1));
  return conditions;
}

/// Several samples under the same conditions, as a sampler's steps: equal to the bit.
void check_video_unet(const std::string& name, const Compatibility& compatibility = {}) {
  const torch::NoGradGuard no_grad;
  const NetworkCase network = make_case(Fixture(name), compatibility);
  auto& unet = as<UNetSpatioTemporalConditionModelImpl>(network);
  testing::Tensors in = network.inputs;
  const VideoConditions conditions = prepare_all(unet, in);
  for (const std::uint64_t seed : {1, 2, 3}) {
    in["sample"] = random_tensor(in.at("sample").sizes(), seed);
    EXPECT_TRUE(
        at::equal(unet.forward_prepared(in.at("sample"), conditions), network.run(in).at("output")))
        << name << " " << seed;
  }
}

TEST(Prepared, VideoUNetAnswersTheSameToTheBit) {
  check_video_unet("unet_spatio_temporal");
  check_video_unet("unet_spatio_temporal_odd");
  check_video_unet("unet_spatio_temporal_tokens");  // several context tokens
  Compatibility mixup;
  mixup.context_mixup_0_27 = true;
  check_video_unet("unet_spatio_temporal_mixup", mixup);
}

/// conv_in as a sum of two convolutions against one over all channels, through a whole network.
void check_reference(const std::string& name, at::ScalarType dtype, double tolerance) {
  const torch::NoGradGuard no_grad;
  const NetworkCase network = make_case(Fixture(name));
  network.module->to(dtype);
  auto& unet = as<UNetSpatioTemporalConditionModelImpl>(network);
  testing::Tensors in = network.inputs;
  in["sample"] = in.at("sample").to(dtype);
  VideoConditions conditions = prepare_all(unet, in);
  const std::int64_t half = in.at("sample").size(2) / 2;
  const torch::Tensor reference = in.at("sample").slice(2, half);
  conditions.reference = unet.prepare_reference(reference);
  for (const std::uint64_t seed : {1, 2}) {
    const torch::Tensor noisy =
        random_tensor(in.at("sample").slice(2, 0, half).sizes(), seed).to(dtype);
    in["sample"] = torch::cat({noisy, reference}, 2);
    const torch::Tensor output = unet.forward_prepared(noisy, conditions);
    EXPECT_LE(relative_error(output, network.run(in).at("output")), tolerance) << name;
  }
}

TEST(Prepared, ConstantReferenceChannelsChangeNoMoreThanTheRoundingOfASum) {
  for (const char* name : {"unet_spatio_temporal", "unet_spatio_temporal_odd"}) {
    check_reference(name, at::kDouble, 1e-13);
    // Less than 1e-6 behind conv_in itself (KnownChannels), of which the later layers make more.
    check_reference(name, at::kFloat, 3e-6);
  }
}

TEST(Prepared, ImageUNetsAnswerTheSameToTheBit) {
  const torch::NoGradGuard no_grad;
  for (const char* name : {"unet_2d_condition", "unet_2d_condition_cross"}) {
    const NetworkCase network = make_case(Fixture(name));
    auto& unet = as<UNet2DConditionModelImpl>(network);
    testing::Tensors in = network.inputs;
    const nn::Condition time = unet.prepare_time(in.at("timestep"));
    const nn::Condition context = unet.prepare_context(in.at("encoder_hidden_states"));
    for (const std::uint64_t seed : {1, 2}) {
      in["sample"] = random_tensor(in.at("sample").sizes(), seed);
      EXPECT_TRUE(at::equal(unet.forward_prepared(in.at("sample"), time, context),
                            network.run(in).at("output")))
          << name;
    }
  }
  const NetworkCase network = make_case(Fixture("unet_2d"));
  auto& unet = as<UNet2DModelImpl>(network);
  const nn::Condition time = unet.prepare_time(network.inputs.at("timestep"));
  for (int pass = 0; pass < 2; ++pass) {
    EXPECT_TRUE(at::equal(unet.forward_prepared(network.inputs.at("sample"), time),
                          network.run(network.inputs).at("output")));
  }
}

/// Zeroes every parameter whose name holds one of `parts`.
void erase(torch::nn::Module& module, const std::vector<std::string>& parts) {
  for (auto& item : module.named_parameters()) {
    for (const std::string& part : parts) {
      if (item.key().find(part) != std::string::npos) item.value().zero_();
    }
  }
}

TEST(Prepared, NothingOfTheConditionsIsComputedAtASecondStep) {
  const torch::NoGradGuard no_grad;
  const NetworkCase network = make_case(Fixture("unet_spatio_temporal"));
  auto& unet = as<UNetSpatioTemporalConditionModelImpl>(network);
  const torch::Tensor sample = network.inputs.at("sample");
  const VideoConditions conditions = prepare_all(unet, network.inputs);
  const torch::Tensor first = unet.forward_prepared(sample, conditions);
  // Weights that only the conditions meet: who computes with them again gives another answer.
  erase(unet, {"attn2.to_v", "attn2.to_out", "time_embedding", "add_embedding", "time_emb_proj",
               "time_pos_embed"});
  EXPECT_TRUE(at::equal(unet.forward_prepared(sample, conditions), first));
  EXPECT_GT(relative_error(unet.forward_prepared(sample, prepare_all(unet, network.inputs)), first),
            1e-2);
}

TEST(Prepared, TrainingComputesTheConditionsAnewAtEveryPass) {
  const NetworkCase network = make_case(Fixture("unet_spatio_temporal"));
  const torch::Tensor first = network.run(network.inputs).at("output");
  {
    const torch::NoGradGuard no_grad;
    erase(*network.module, {"time_emb_proj"});
  }
  const torch::Tensor second = network.run(network.inputs).at("output");
  EXPECT_TRUE(second.requires_grad());
  EXPECT_GT(relative_error(second.detach(), first.detach()), 1e-3);
}

}  // namespace
}  // namespace echopath::models
