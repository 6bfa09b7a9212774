#include "echopath/generation/forward.hpp"

#include <torch/torch.h>

#include <algorithm>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
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
  at::Tensor get(const std::string& name) const {
    if (!has(name)) {
      throw DataError(path_ + ": no tensor '" + name + "'; it holds " + join(file_.names(), ", "));
    }
    const at::Tensor tensor = file_.tensor(name);
    return (tensor.is_floating_point() ? tensor.to(at::kFloat) : tensor).to(device_);
  }

 private:
  io::SafetensorsFile file_;
  std::string path_;
  at::Device device_;
};

/// `encoder_hidden_states` as given, or the class embedding of `labels`.
at::Tensor context_of(const Inputs& inputs, const models::ModelDirectory& model,
                      const std::string& network, at::Device device) {
  if (inputs.has("encoder_hidden_states") || !inputs.has("labels")) {
    return inputs.get("encoder_hidden_states");
  }
  models::ClassEmbedding embedding = model.load_class_embedding(network, device);
  return embedding->forward(inputs.get("labels").to(at::kLong));
}

io::TensorMap forward_vae(const ForwardOptions& options, const models::ModelDirectory& model,
                          const Inputs& inputs, at::Device device) {
  models::AutoencoderKL vae = model.load_vae(device);
  if (options.decode) return {{"sample", vae->decode(inputs.get("latents"))}};
  const models::DiagonalGaussian posterior = vae->encode(inputs.get("sample"));
  return {{"mean", posterior.mean}, {"logvar", posterior.logvar}};
}

io::TensorMap forward(const ForwardOptions& options, const models::ModelDirectory& model,
                      const Inputs& inputs, at::Device device) {
  if (options.network == "vae") return forward_vae(options, model, inputs, device);
  if (options.network == "reid") {
    models::ReIdNet reid = model.load_reid(device);
    return {{"embedding", reid->embed(inputs.get("sample"))}};
  }
  if (options.network == "lidm") {
    const auto lidm = model.load_lidm(device);
    const at::Tensor context =
        lidm->conditional() ? context_of(inputs, model, "lidm", device) : at::Tensor();
    return {{"sample", lidm->predict(inputs.get("sample"), inputs.get("timestep"), context)}};
  }
  models::UNetSpatioTemporalConditionModel lvdm = model.load_lvdm(device);
  return {{"sample",
           lvdm->forward(inputs.get("sample"), inputs.get("timestep"),
                         context_of(inputs, model, "lvdm", device), inputs.get("added_time_ids"))}};
}

void check(const ForwardOptions& options) {
  const std::vector<std::string> known = {"vae", "lidm", "lvdm", "reid"};
  if (std::find(known.begin(), known.end(), options.network) == known.end()) {
    throw UsageError("forward: unknown network '" + options.network +
                     "'; known: " + join(known, ", "));
  }
  const bool direction = options.encode || options.decode;
  if (options.network == "vae" && options.encode == options.decode) {
    throw UsageError("forward: the vae needs one of --encode and --decode");
  }
  if (options.network != "vae" && direction) {
    throw UsageError("forward: --encode and --decode are for the vae");
  }
}

}  // namespace

ForwardSummary run_forward(const ForwardOptions& options) {
  check(options);
  const at::Device device = parse_device(options.device);
  const models::ModelDirectory model = models::ModelDirectory::open(options.model);
  model.require({options.network});
  require_file(options.inputs, "inputs file");
  const Inputs inputs(options.inputs, device);
  const torch::NoGradGuard no_grad;
  io::TensorMap outputs;
  try {
    outputs = forward(options, model, inputs, device);
  } catch (const c10::Error& error) {
    throw DataError(options.inputs + ": the tensors do not fit the " + options.network + ": " +
                    error.what_without_backtrace());
  }
  io::save_safetensors(options.out, outputs);
  ForwardSummary summary;
  for (const auto& [name, tensor] : outputs) summary.emplace_back(name, tensor.sizes().vec());
  return summary;
}

}  // namespace echopath::generation
