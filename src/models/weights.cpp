#include "echopath/models/weights.hpp"

#include <map>

#include "echopath/core/errors.hpp"
#include "models/weight_source.hpp"

namespace echopath::models {

namespace {

std::map<std::string, torch::Tensor> named_tensors(const torch::nn::Module& module) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& item : module.named_parameters()) tensors.emplace(item.key(), item.value());
  for (const auto& item : module.named_buffers()) tensors.emplace(item.key(), item.value());
  return tensors;
}

/// Whether a tensor is in memory what the module would make of it.
bool is_like(const torch::Tensor& tensor, const torch::Tensor& target) {
  return tensor.device() == target.device() && tensor.scalar_type() == target.scalar_type() &&
         tensor.is_contiguous(target.suggest_memory_format());
}

}  // namespace

void load_weights(torch::nn::Module& module, const WeightSource& weights,
                  const std::string& source) {
  const torch::NoGradGuard no_grad;
  auto targets = named_tensors(module);
  WeightFaults faults = compare_weights(specs_of(targets), weights.specs);
  if (!faults.none()) throw DataError(faults.message(source));
  for (auto& [name, target] : targets) {
    const at::Tensor tensor = weights.tensor(name);
    if (!all_finite(tensor)) faults.not_finite.push_back(name);
    if (faults.none()) {
      if (weights.may_keep(name) && is_like(tensor, target)) {
        target.set_data(tensor);
      } else {
        target.copy_(tensor);
      }
    }
    weights.done(name);
  }
  if (!faults.none()) throw DataError(faults.message(source));
}

void load_weights(torch::nn::Module& module, const io::TensorMap& weights,
                  const std::string& source) {
  WeightSource from;
  from.specs = specs_of(weights);
  from.tensor = [&](const std::string& name) { return weights.at(name); };
  from.done = [](const std::string&) {};
  from.may_keep = [](const std::string&) { return false; };
  load_weights(module, from, source);
}

void load_weights(torch::nn::Module& module, const io::SafetensorsFile& weights,
                  const std::string& source) {
  WeightSource from;
  for (const std::string& name : weights.names()) {
    from.specs[name] = {weights.shape(name), weights.dtype(name)};
  }
  from.tensor = [&](const std::string& name) { return weights.tensor(name); };
  from.done = [&](const std::string& name) { weights.forget(name); };
  from.may_keep = [](const std::string&) { return false; };
  load_weights(module, from, source);
}

io::TensorMap state_dict(const torch::nn::Module& module, std::optional<at::ScalarType> dtype) {
  io::TensorMap tensors;
  for (const auto& [name, tensor] : named_tensors(module)) {
    const at::Tensor detached = tensor.detach();
    const bool convert = dtype.has_value() && detached.is_floating_point();
    tensors.emplace(name, convert ? detached.to(*dtype) : detached);
  }
  return tensors;
}

void save_weights(const torch::nn::Module& module, const std::filesystem::path& path,
                  at::ScalarType dtype, const io::Metadata& metadata) {
  const io::TensorMap tensors = state_dict(module, dtype);
  WeightFaults faults;
  for (const auto& [name, tensor] : tensors) {
    if (!all_finite(tensor)) faults.not_finite.push_back(name);
  }
  if (!faults.none()) throw DataError(faults.message(path.string()));
  io::save_safetensors(path, tensors, metadata);
}

std::int64_t parameter_count(const torch::nn::Module& module) {
  std::int64_t count = 0;
  for (const torch::Tensor& parameter : module.parameters()) count += parameter.numel();
  return count;
}

}  // namespace echopath::models
