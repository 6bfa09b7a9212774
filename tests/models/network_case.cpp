#include "models/network_case.hpp"

#include "echopath/models/autoencoder_kl.hpp"
#include "echopath/models/reid.hpp"
#include "echopath/models/unet_2d.hpp"
#include "echopath/models/unet_2d_condition.hpp"
#include "echopath/models/unet_spatio_temporal.hpp"
#include "echopath/models/video_resnet.hpp"

namespace echopath::models::testing {

namespace {

template <class Options>
Options options_of(const config::Json& json) {
  Options options;
  config::apply(json, config::visit_of(options), "config.json");
  return options;
}

/// Calls `action` with the network of the config's `_class_name`.
template <class Action>
auto with_network(const config::Json& json, Compatibility compatibility, Action action) {
  const std::string kind = json.at("_class_name").get<std::string>();
  if (kind == "AutoencoderKL") return action(AutoencoderKL(options_of<AutoencoderKLConfig>(json)));
  if (kind == "UNet2DModel") return action(UNet2DModel(options_of<UNet2DConfig>(json)));
  if (kind == "UNet2DConditionModel") {
    return action(UNet2DConditionModel(options_of<UNet2DConditionConfig>(json)));
  }
  if (kind == "UNetSpatioTemporalConditionModel") {
    return action(UNetSpatioTemporalConditionModel(options_of<UNetSpatioTemporalConfig>(json),
                                                   compatibility));
  }
  if (kind == "ReIdNet") return action(ReIdNet(options_of<ReIdConfig>(json)));
  if (kind == "ResNet") return action(ResNet(options_of<ResNetOptions>(json)));
  TORCH_CHECK(kind == "VideoResNet", "no such network: ", kind);
  return action(VideoResNet(options_of<VideoResNetOptions>(json)));
}

/// The fixture's tensors that a network takes.
std::vector<std::string> input_names(const AutoencoderKL&) {
  return {"x", "z"};
}
std::vector<std::string> input_names(const UNet2DModel&) {
  return {"sample", "timestep"};
}
std::vector<std::string> input_names(const UNet2DConditionModel&) {
  return {"sample", "timestep", "encoder_hidden_states"};
}
std::vector<std::string> input_names(const UNetSpatioTemporalConditionModel&) {
  return {"sample", "timestep", "encoder_hidden_states", "added_time_ids"};
}
std::vector<std::string> input_names(const ReIdNet&) {
  return {"a", "b"};
}
std::vector<std::string> input_names(const ResNet&) {
  return {"x"};
}
std::vector<std::string> input_names(const VideoResNet&) {
  return {"x"};
}

Tensors run_network(AutoencoderKL& vae, const Tensors& in) {
  const DiagonalGaussian posterior = vae->encode(in.at("x"));
  return {
      {"mean", posterior.mean}, {"logvar", posterior.logvar}, {"decoded", vae->decode(in.at("z"))}};
}
Tensors run_network(UNet2DModel& unet, const Tensors& in) {
  return {{"output", unet->forward(in.at("sample"), in.at("timestep"))}};
}
Tensors run_network(UNet2DConditionModel& unet, const Tensors& in) {
  return {{"output",
           unet->forward(in.at("sample"), in.at("timestep"), in.at("encoder_hidden_states"))}};
}
Tensors run_network(UNetSpatioTemporalConditionModel& unet, const Tensors& in) {
  return {{"output", unet->forward(in.at("sample"), in.at("timestep"),
                                   in.at("encoder_hidden_states"), in.at("added_time_ids"))}};
}
Tensors run_network(ReIdNet& network, const Tensors& in) {
  return {{"logit", network->forward(in.at("a"), in.at("b"))}};
}
Tensors run_network(ResNet& network, const Tensors& in) {
  return {{"output", network->forward(in.at("x"))}};
}
Tensors run_network(VideoResNet& network, const Tensors& in) {
  return {{"output", network->forward(in.at("x"))}};
}

template <class Network>
auto config_of(const Network& network) -> decltype(network->config()) {
  return network->config();
}
template <class Network>
auto config_of(const Network& network) -> decltype(network->options()) {
  return network->options();
}

}  // namespace

std::shared_ptr<torch::nn::Module> build_network(const config::Json& json) {
  return with_network(json, {}, [](const auto& network) -> std::shared_ptr<torch::nn::Module> {
    return network.ptr();
  });
}

NetworkCase make_case(const Fixture& fixture, Compatibility compatibility) {
  return with_network(fixture.config_json(), compatibility, [&](auto network) {
    fill(*network, fixture.stream_gain());
    network->eval();
    NetworkCase result;
    result.module = network.ptr();
    auto config = config_of(network);
    result.written_config = config::dump(config::visit_of(config));
    for (const std::string& name : input_names(network)) {
      torch::Tensor input = fixture[name];
      if (input.is_floating_point()) input.requires_grad_();
      result.inputs[name] = input;
    }
    result.run = [network](const Tensors& inputs) mutable { return run_network(network, inputs); };
    return result;
  });
}

torch::Tensor loss_of(const Tensors& outputs) {
  torch::Tensor loss;
  for (const auto& [name, output] : outputs) {
    const torch::Tensor term = loss_of(name == "output" ? "sample" : name, output);
    loss = loss.defined() ? loss + term : term;
  }
  return loss;
}

}  // namespace echopath::models::testing
