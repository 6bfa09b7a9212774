#include "echopath/generation/forward.hpp"

#include <torch/torch.h>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/models/model_directory.hpp"
#include "generation/forward_inputs.hpp"

namespace echopath::generation {
namespace {

/// What a network is run with.
struct Call {
  const ForwardOptions& options;
  const models::ModelDirectory& model;
  ForwardInputs& inputs;
  at::Device device;

  /// `encoder_hidden_states` as given, or the class embedding of `labels`.
  at::Tensor context(std::int64_t batch, std::int64_t width) const {
    if (inputs.has("encoder_hidden_states") || !inputs.has("labels")) {
      return inputs.numbers("encoder_hidden_states",
                            {{"batch", batch}, {"tokens"}, {"context width", width}});
    }
    models::ClassEmbedding embedding = model.load_class_embedding(options.network, device);
    return embedding->forward(inputs.labels(batch, embedding->null_label()));
  }
};

std::vector<Extent> images(std::int64_t channels) {
  return {{"batch"}, {"channels", channels}, {"height"}, {"width"}};
}

/// Channels that a network takes whose first parameter is a convolution's weight.
std::int64_t channels_of(const torch::nn::Module& network) {
  return network.parameters().front().size(1);
}

io::TensorMap forward_vae(const Call& call) {
  models::AutoencoderKL vae = call.model.load_vae(call.device);
  if (call.options.decode) {
    return {
        {"sample", vae->decode(call.inputs.numbers("z", images(vae->config().latent_channels)))}};
  }
  const models::DiagonalGaussian posterior =
      vae->encode(call.inputs.sample(images(vae->config().in_channels)));
  return {{"mean", posterior.mean}, {"logvar", posterior.logvar}};
}

io::TensorMap forward_lidm(const Call& call) {
  const auto lidm = call.model.load_lidm(call.device);
  const auto channels = lidm->config_json().at("in_channels").get<std::int64_t>();
  const at::Tensor sample = call.inputs.sample(images(channels));
  const at::Tensor timestep = call.inputs.timestep(sample.size(0));
  const at::Tensor context =
      lidm->conditional() ? call.context(sample.size(0), lidm->context_width()) : at::Tensor();
  return {{"sample", lidm->predict(sample, timestep, context)}};
}

io::TensorMap forward_lvdm(const Call& call) {
  models::UNetSpatioTemporalConditionModel lvdm = call.model.load_lvdm(call.device);
  const models::UNetSpatioTemporalConfig& config = lvdm->config();
  const at::Tensor sample = call.inputs.sample(
      {{"batch"}, {"frames"}, {"channels", config.in_channels}, {"height"}, {"width"}});
  const std::int64_t batch = sample.size(0);
  const at::Tensor timestep = call.inputs.timestep(batch);
  const at::Tensor context = call.context(batch, config.cross_attention_dim.front());
  return {
      {"sample", lvdm->forward(sample, timestep, context,
                               call.inputs.added_time_ids(batch, config.added_time_id_count()))}};
}

io::TensorMap forward_reid(const Call& call) {
  models::ReIdNet reid = call.model.load_reid(call.device);
  return {{"sample", reid->embed(call.inputs.sample(images(reid->config().in_channels)))}};
}

io::TensorMap forward_resnet(const Call& call) {
  models::ResNet resnet = call.model.load_resnet(call.device);
  return {{"sample", resnet->forward(call.inputs.sample(images(channels_of(*resnet))))}};
}

/// [B, C, T, H, W], as torchvision has it.
std::vector<Extent> videos(std::int64_t channels) {
  return {{"batch"}, {"channels", channels}, {"frames"}, {"height"}, {"width"}};
}

io::TensorMap forward_video_resnet(const Call& call) {
  models::VideoResNet resnet = call.model.load_video_resnet(call.options.network, call.device);
  return {{"sample", resnet->forward(call.inputs.sample(videos(channels_of(*resnet))))}};
}

io::TensorMap forward_classifier(const Call& call) {
  const models::Classifier classifier =
      call.model.load_classifier(call.options.network, call.device);
  const std::int64_t channels = classifier.config().in_channels();
  return {{"sample", classifier.forward(call.inputs.sample(
                         classifier.video() != nullptr ? videos(channels) : images(channels)))}};
}

using Network = io::TensorMap (*)(const Call&);
const std::vector<std::pair<std::string, Network>> kNetworks = {
    {"vae", forward_vae},
    {"lidm", forward_lidm},
    {"lvdm", forward_lvdm},
    {"reid", forward_reid},
    {"resnet50", forward_resnet},
    {"r3d_18", forward_video_resnet},
    {"r2plus1d_18", forward_video_resnet}};

/// Whether the network is named by a folder of the model directory that is none of the others'.
bool is_classifier_folder(const ForwardOptions& options) {
  return models::may_name_classifier(options.network) &&
         fs::is_regular_file(fs::path(options.model) / options.network / "config.json");
}

/// Checks the options, and returns what runs the network.
Network network_of(const ForwardOptions& options) {
  std::vector<std::string> known;
  Network network = nullptr;
  for (const auto& [name, run] : kNetworks) {
    known.push_back(name);
    if (name == options.network) network = run;
  }
  if (network == nullptr && is_classifier_folder(options)) network = forward_classifier;
  if (network == nullptr) {
    throw UsageError("forward: unknown network '" + options.network +
                     "'; known: " + join(known, ", "));
  }
  if (options.network == "vae" && options.encode == options.decode) {
    throw UsageError("forward: the vae needs one of --encode and --decode");
  }
  if (options.network != "vae" && (options.encode || options.decode)) {
    throw UsageError("forward: --encode and --decode are for the vae");
  }
  return network;
}

}  // namespace

ForwardSummary run_forward(const ForwardOptions& options) {
  const Network network = network_of(options);
  const at::Device device = parse_device(options.device);
  const models::ModelDirectory model = models::ModelDirectory::open(options.model);
  model.require({options.network});
  require_file(options.inputs, "inputs file");
  ForwardInputs inputs(options.inputs, device);
  const torch::NoGradGuard no_grad;
  io::TensorMap outputs;
  try {
    outputs = network({options, model, inputs, device});
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    throw DataError(options.inputs + ": the tensors do not fit the " + options.network + ": " +
                    message.substr(0, message.find('\n')));
  }
  inputs.warn_of_unused();
  io::save_safetensors(options.out, outputs);
  ForwardSummary summary;
  for (const auto& [name, tensor] : outputs) summary.emplace_back(name, tensor.sizes().vec());
  return summary;
}

}  // namespace echopath::generation
