#include "models/convert_network.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "models/foreign_json.hpp"
#include "models/recognise.hpp"

namespace echopath::models {

namespace {

constexpr std::size_t kShownNames = 5;
constexpr const char* kStepCounter = ".num_batches_tracked";

/// What diffusers' EMAModel writes into config.json beside the network's own keys.
constexpr const char* kEmaKeys[] = {
    "decay", "inv_gamma",         "min_decay",     "optimization_step",
    "power", "update_after_step", "use_ema_warmup"};

/// A network's config, where there is one.
struct NetworkConfig {
  config::Json json;  ///< null where absent
  std::string source;
  std::string class_name;  ///< empty where the config does not say
};

NetworkConfig read_config(const SourceNetwork& source, const ConvertOptions& options,
                          std::vector<std::string>& notes) {
  const fs::path path = options.config.empty() ? source.config : fs::path(options.config);
  if (path.empty()) {
    return {nullptr, source.weights.string() + " comes without config.json (--config gives one)",
            ""};
  }
  require_file(path, "config");
  NetworkConfig config{read_foreign_json(path), path.string(), ""};
  if (!config.json.is_object()) throw DataError(path.string() + ": expected a JSON object");
  const auto name = config.json.find("_class_name");
  if (name != config.json.end() && name->is_string()) config.class_name = name->get<std::string>();
  std::vector<std::string> dropped;
  for (const char* key : kEmaKeys) {
    if (config.json.erase(key) > 0) dropped.push_back(key);
  }
  if (!dropped.empty()) {
    notes.push_back("dropped the moving average's own keys from config.json: " +
                    join(dropped, ", "));
  }
  return config;
}

std::string first_names(const TensorSpecs& specs) {
  std::vector<std::string> names;
  for (const auto& [name, spec] : specs) {
    if (names.size() == kShownNames) {
      names.push_back("…");
      break;
    }
    names.push_back(quoted_text(name));
  }
  return join(names, ", ");
}

Recognised recognise_or_fail(const TensorSpecs& specs, const std::string& class_name,
                             const std::string& where) {
  const auto recognised = recognise(specs);
  if (recognised) return *recognised;
  if (!class_name.empty()) return {class_name, "", false};
  throw DataError(where + ": its " + std::to_string(specs.size()) +
                  " tensors are of no network that is known (" + first_names(specs) +
                  "); known: " + join(known_networks(), ", "));
}

/// The tensors under the network's names.
void move_tensors(io::TensorMap& stored, const KeyMapping& mapping, PreparedNetwork& network) {
  std::map<std::string, std::string> origin;
  for (const KeyMove& move : mapping.moves) {
    const auto [place, is_new] = origin.emplace(move.to, move.from);
    if (!is_new) {
      throw DataError(network.report.where + ": both '" + place->second + "' and '" + move.from +
                      "' would become '" + move.to + "'");
    }
    at::Tensor tensor = stored.at(move.from);
    if (tensor.scalar_type() == at::kDouble) tensor = tensor.to(at::kFloat);
    network.tensors.emplace(move.to, std::move(tensor));
  }
  for (const auto& [to, from] : origin) network.report.keys.emplace_back(from, to);
}

/// Attention weights that were kept as 1×1 convolutions become matrices.
void flatten_attention(PreparedNetwork& network) {
  for (auto& [name, tensor] : network.tensors) {
    const auto spec = network.plan.specs.find(name);
    if (spec == network.plan.specs.end() || name.find(".attentions.") == std::string::npos ||
        name.find(".to_") == std::string::npos || tensor.dim() != 4) {
      continue;
    }
    if (spec->second.shape.size() == 2 && tensor.size(2) == 1 && tensor.size(3) == 1) {
      tensor = tensor.flatten(1);
    }
  }
}

/// Files from before BatchNorm counted its steps lack the counters, which nothing here reads.
void fill_step_counters(PreparedNetwork& network) {
  for (const auto& [name, spec] : network.plan.specs) {
    if (!name.ends_with(kStepCounter) || network.tensors.count(name) > 0) continue;
    network.tensors.emplace(name, at::zeros(spec.shape, spec.dtype));
    network.report.keys.emplace_back("", name);
  }
}

void check(PreparedNetwork& network, bool allow_nonfinite) {
  network.faults = compare_weights(network.plan.specs, specs_of(network.tensors));
  std::vector<std::string> not_finite;
  for (const auto& [name, tensor] : network.tensors) {
    if (!all_finite(tensor)) not_finite.push_back(name);
  }
  if (!allow_nonfinite) {
    network.faults.not_finite = std::move(not_finite);
  } else if (!not_finite.empty()) {
    network.report.notes.push_back("values that are not finite are kept in " +
                                   join(not_finite, ", "));
  }
  network.report.missing = network.faults.missing;
  network.report.surplus = network.faults.extra;
}

}  // namespace

PreparedNetwork prepare_network(const SourceNetwork& source, StoredWeights stored,
                                const ConvertOptions& options) {
  PreparedNetwork network;
  NetworkReport& report = network.report;
  report.where = stored.where;
  report.format = stored.format;
  const NetworkConfig config = read_config(source, options, report.notes);
  const TensorSpecs found = specs_of(stored.tensors);
  const Recognised recognised = recognise_or_fail(found, config.class_name, stored.where);
  report.class_name = config.class_name.empty() ? recognised.class_name : config.class_name;
  const KeyMapping mapping = map_keys(found, recognised);
  report.left_out = mapping.left_out;
  move_tensors(stored.tensors, mapping, network);
  const bool inferred = config.json.is_null();
  network.plan = plan_network(
      report.class_name,
      inferred ? infer_config(report.class_name, specs_of(network.tensors)) : config.json,
      config.source);
  if (inferred && !inferred_assumption(report.class_name).empty()) {
    report.notes.push_back(inferred_assumption(report.class_name));
  }
  report.parameters = network.plan.parameters;
  report.name = source.folder;
  if (report.name == "unet" || report.name == "unet_ema")
    report.name = component_name(network.plan);
  flatten_attention(network);
  fill_step_counters(network);
  check(network, options.allow_nonfinite);
  network.metadata =
      stored.format == "safetensors" ? stored.metadata : io::Metadata{{"format", "pt"}};
  return network;
}

void write_network(const fs::path& directory, const PreparedNetwork& network) {
  io::save_safetensors(directory / "diffusion_pytorch_model.safetensors", network.tensors,
                       network.metadata);
  write_file(directory / "config.json", network.plan.config.dump(2) + "\n");
}

}  // namespace echopath::models
