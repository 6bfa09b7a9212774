#include "echopath/models/weights.hpp"

#include <functional>
#include <map>
#include <sstream>
#include <vector>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::models {

namespace {

std::map<std::string, torch::Tensor> named_tensors(const torch::nn::Module& module) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& item : module.named_parameters()) tensors.emplace(item.key(), item.value());
  for (const auto& item : module.named_buffers()) tensors.emplace(item.key(), item.value());
  return tensors;
}

std::string shape_text(at::IntArrayRef shape) {
  std::ostringstream text;
  text << shape;
  return text.str();
}

/// The weights of a file or a map, as far as checking and copying needs them.
struct WeightSource {
  std::vector<std::string> names;
  std::function<bool(const std::string&)> contains;
  std::function<std::vector<std::int64_t>(const std::string&)> shape;
  std::function<at::Tensor(const std::string&)> tensor;
};

void check_names_and_shapes(const std::map<std::string, torch::Tensor>& targets,
                            const WeightSource& weights, const std::string& source) {
  std::vector<std::string> missing, extra, wrong;
  for (const auto& [name, target] : targets) {
    if (!weights.contains(name)) {
      missing.push_back(name);
    } else if (at::IntArrayRef(weights.shape(name)) != target.sizes()) {
      wrong.push_back(name + " is " + shape_text(weights.shape(name)) + ", not " +
                      shape_text(target.sizes()));
    }
  }
  for (const std::string& name : weights.names) {
    if (targets.count(name) == 0) extra.push_back(name);
  }
  std::vector<std::string> faults;
  if (!missing.empty()) faults.push_back("missing: " + join(missing, ", "));
  if (!extra.empty()) faults.push_back("not in the network: " + join(extra, ", "));
  if (!wrong.empty()) faults.push_back("wrong shape: " + join(wrong, ", "));
  if (!faults.empty()) {
    throw DataError(source + ": the weights do not fit the network; " + join(faults, "; "));
  }
}

void require_finite(const std::string& name, const at::Tensor& tensor, const std::string& source) {
  if (!tensor.is_floating_point()) return;
  // A sum is finite unless an element is not, or it overflows: only then look at each element.
  if (at::isfinite(tensor.sum(at::kDouble)).item<bool>()) return;
  if (!at::isfinite(tensor).all().item<bool>()) {
    throw DataError(source + ": '" + name + "' holds values that are not finite");
  }
}

void load(torch::nn::Module& module, const WeightSource& weights, const std::string& source) {
  const torch::NoGradGuard no_grad;
  auto targets = named_tensors(module);
  check_names_and_shapes(targets, weights, source);
  for (auto& [name, target] : targets) {
    const at::Tensor tensor = weights.tensor(name);
    require_finite(name, tensor, source);
    target.copy_(tensor);
  }
}

}  // namespace

void load_weights(torch::nn::Module& module, const io::TensorMap& weights,
                  const std::string& source) {
  WeightSource from;
  for (const auto& [name, tensor] : weights) from.names.push_back(name);
  from.contains = [&](const std::string& name) { return weights.count(name) > 0; };
  from.shape = [&](const std::string& name) { return weights.at(name).sizes().vec(); };
  from.tensor = [&](const std::string& name) { return weights.at(name); };
  load(module, from, source);
}

void load_weights(torch::nn::Module& module, const io::SafetensorsFile& weights,
                  const std::string& source) {
  WeightSource from;
  from.names = weights.names();
  from.contains = [&](const std::string& name) { return weights.contains(name); };
  from.shape = [&](const std::string& name) { return weights.shape(name); };
  from.tensor = [&](const std::string& name) { return weights.tensor(name); };
  load(module, from, source);
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
  for (const auto& [name, tensor] : tensors) require_finite(name, tensor, path.string());
  io::save_safetensors(path, tensors, metadata);
}

std::int64_t parameter_count(const torch::nn::Module& module) {
  std::int64_t count = 0;
  for (const torch::Tensor& parameter : module.parameters()) count += parameter.numel();
  return count;
}

}  // namespace echopath::models
