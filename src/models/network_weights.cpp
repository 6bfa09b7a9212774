#include "models/network_weights.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "echopath/models/weights.hpp"
#include "models/weight_source.hpp"

namespace echopath::models {

namespace {

constexpr const char* kStepCounter = ".num_batches_tracked";

void flatten_attention(NetworkWeights& weights, const TensorSpecs& expected) {
  for (auto& [name, tensor] : weights.tensors) {
    const auto spec = expected.find(name);
    if (spec == expected.end() || name.find(".attentions.") == std::string::npos ||
        name.find(".to_") == std::string::npos || tensor.dim() != 4) {
      continue;
    }
    if (spec->second.shape.size() == 2 && tensor.size(2) == 1 && tensor.size(3) == 1) {
      tensor = tensor.flatten(1);
    }
  }
}

void fill_step_counters(NetworkWeights& weights, const TensorSpecs& expected) {
  for (const auto& [name, spec] : expected) {
    if (!name.ends_with(kStepCounter) || weights.tensors.count(name) > 0) continue;
    weights.tensors.emplace(name, at::zeros(spec.shape, spec.dtype));
    weights.origin.emplace(name, "");
  }
}

/// Stored weights under the names that they have in this network.
NetworkWeights weights_for(const torch::nn::Module& module, const StoredWeights& stored) {
  const auto recognised = recognise(specs_of(stored.tensors));
  NetworkWeights named =
      name_weights(stored.tensors, recognised.value_or(Recognised{}), stored.where);
  if (!named.left_out.empty()) {
    throw DataError(stored.where + ": beside the network it holds " + join(named.left_out, ", ") +
                    "; `echopath convert` leaves them out");
  }
  adapt_weights(named, specs_of(state_dict(module)));
  return named;
}

/// They are copied, and leave memory as soon as they are; both must outlive it.
WeightSource source_of(const NetworkWeights& named, const StoredWeights& stored) {
  WeightSource source;
  source.specs = specs_of(named.tensors);
  source.tensor = [&named](const std::string& name) { return named.tensors.at(name); };
  source.done = [&](const std::string& name) { stored.forget(named.origin.at(name)); };
  source.may_keep = [](const std::string&) { return false; };
  return source;
}

}  // namespace

NetworkWeights name_weights(const io::TensorMap& stored, const Recognised& recognised,
                            const std::string& where) {
  KeyMapping mapping = map_keys(specs_of(stored), recognised);
  NetworkWeights weights;
  weights.left_out = std::move(mapping.left_out);
  for (const KeyMove& move : mapping.moves) {
    const auto [place, is_new] = weights.origin.emplace(move.to, move.from);
    if (!is_new) {
      throw DataError(where + ": both '" + place->second + "' and '" + move.from +
                      "' would become '" + move.to + "'");
    }
    const at::Tensor& tensor = stored.at(move.from);
    weights.tensors.emplace(move.to,
                            tensor.scalar_type() == at::kDouble ? tensor.to(at::kFloat) : tensor);
  }
  return weights;
}

void adapt_weights(NetworkWeights& weights, const TensorSpecs& expected) {
  flatten_attention(weights, expected);
  fill_step_counters(weights, expected);
}

void load_network_weights(torch::nn::Module& module, const std::filesystem::path& weights) {
  const StoredWeights stored = read_stored_weights(weights);
  const NetworkWeights named = weights_for(module, stored);
  WeightSource source = source_of(named, stored);
  source.may_keep = [&](const std::string& name) {
    return stored.is_mapped(named.origin.at(name));
  };
  load_weights(module, source, stored.where);
}

void copy_network_weights(torch::nn::Module& module, const std::filesystem::path& weights,
                          const std::string& kept) {
  const StoredWeights stored = read_stored_weights(weights);
  NetworkWeights named = weights_for(module, stored);
  for (const auto& [name, tensor] : state_dict(module)) {
    if (kept.empty() || !name.starts_with(kept)) continue;
    named.tensors[name] = tensor.clone();
    named.origin[name] = "";
  }
  load_weights(module, source_of(named, stored), stored.where);
}

}  // namespace echopath::models
