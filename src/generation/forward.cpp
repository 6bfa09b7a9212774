#include "echopath/generation/forward.hpp"

#include <torch/torch.h>

#include <set>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::generation {
namespace {

/// The input tensors, float32 (integers stay what they are) on the device.
class Inputs {
 public:
  Inputs(const std::string& path, at::Device device) : file_(path), path_(path), device_(device) {}

  bool has(const std::string& name) const { return file_.contains(name); }
  at::Tensor get(const std::string& name) {
    if (!has(name)) {
      throw DataError(path_ + ": no tensor '" + name + "'; it holds " + join(file_.names(), ", "));
    }
    used_.insert(name);
    const at::Tensor tensor = file_.tensor(name);
    return (tensor.is_floating_point() ? tensor.to(at::kFloat) : tensor).to(device_);
  }
  /// `sample`, or `x`, which is what diffusers and torchvision call it where there is nothing else.
  at::Tensor sample() { return get(has("x") && !has("sample") ? "x" : "sample"); }
  /// One number for all samples of the batch, or one for each.
  at::Tensor timestep(std::int64_t batch) {
    const at::Tensor given = get("timestep").flatten();
    return given.size(0) == 1 ? given.expand({batch}) : given;
  }
  void warn_of_unused() const {
    for (const std::string& name : file_.names()) {
      if (used_.count(name) == 0) log_warning(path_ + ": '" + name + "' is not used");
    }
  }

 private:
  io::SafetensorsFile file_;
  std::string path_;
  at::Device device_;
  std::set<std::string> used_;
};

/// What a network is run with.
struct Call {
  const ForwardOptions& options;
  const models::ModelDirectory& model;
  Inputs& inputs;
  at::Device device;

  /// `encoder_hidden_states` as given, or the class embedding of `labels`.
  at::Tensor context() const {
    if (inputs.has("encoder_hidden_states") || !inputs.has("labels")) {
      return inputs.get("encoder_hidden_states");
    }
    models::ClassEmbedding embedding = model.load_class_embedding(options.network, device);
    return embedding->forward(inputs.get("labels").to(at::kLong));
  }
};

io::TensorMap forward_vae(const Call& call) {
  models::AutoencoderKL vae = call.model.load_vae(call.device);
  if (call.options.decode) return {{"sample", vae->decode(call.inputs.get("z"))}};
  const models::DiagonalGaussian posterior = vae->encode(call.inputs.sample());
  return {{"mean", posterior.mean}, {"logvar", posterior.logvar}};
}

io::TensorMap forward_lidm(const Call& call) {
  const auto lidm = call.model.load_lidm(call.device);
  const at::Tensor sample = call.inputs.sample();
  const at::Tensor timestep = call.inputs.timestep(sample.size(0));
  const at::Tensor context = lidm->conditional() ? call.context() : at::Tensor();
  return {{"sample", lidm->predict(sample, timestep, context)}};
}

io::TensorMap forward_lvdm(const Call& call) {
  models::UNetSpatioTemporalConditionModel lvdm = call.model.load_lvdm(call.device);
  const at::Tensor sample = call.inputs.sample();
  const at::Tensor timestep = call.inputs.timestep(sample.size(0));
  return {{"sample",
           lvdm->forward(sample, timestep, call.context(), call.inputs.get("added_time_ids"))}};
}

io::TensorMap forward_reid(const Call& call) {
  models::ReIdNet reid = call.model.load_reid(call.device);
  return {{"sample", reid->embed(call.inputs.sample())}};
}

io::TensorMap forward_resnet(const Call& call) {
  models::ResNet resnet = call.model.load_resnet(call.device);
  return {{"sample", resnet->forward(call.inputs.sample())}};
}

io::TensorMap forward_video_resnet(const Call& call) {
  models::VideoResNet resnet = call.model.load_video_resnet(call.options.network, call.device);
  return {{"sample", resnet->forward(call.inputs.sample())}};
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

/// Checks the options that do not need the files, and returns what runs the network.
Network network_of(const ForwardOptions& options) {
  std::vector<std::string> known;
  Network network = nullptr;
  for (const auto& [name, run] : kNetworks) {
    known.push_back(name);
    if (name == options.network) network = run;
  }
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
  Inputs inputs(options.inputs, device);
  const torch::NoGradGuard no_grad;
  io::TensorMap outputs;
  try {
    outputs = network({options, model, inputs, device});
  } catch (const c10::Error& error) {
    throw DataError(options.inputs + ": the tensors do not fit the " + options.network + ": " +
                    error.what_without_backtrace());
  }
  inputs.warn_of_unused();
  io::save_safetensors(options.out, outputs);
  ForwardSummary summary;
  for (const auto& [name, tensor] : outputs) summary.emplace_back(name, tensor.sizes().vec());
  return summary;
}

}  // namespace echopath::generation
