#include "models/convert_network.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "models/network_config.hpp"
#include "models/network_weights.hpp"

namespace echopath::models {

namespace {

constexpr std::size_t kShownNames = 5;

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
  NetworkConfig config{read_network_config(path), path.string(), ""};
  config.class_name = class_name_of(config.json, config.source);
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
  NetworkWeights weights = name_weights(stored.tensors, recognised, stored.where);
  report.left_out = weights.left_out;
  const bool inferred = config.json.is_null();
  network.plan = plan_network(
      report.class_name,
      inferred ? infer_config(report.class_name, specs_of(weights.tensors)) : config.json,
      config.source);
  if (inferred && !inferred_assumption(report.class_name).empty()) {
    report.notes.push_back(inferred_assumption(report.class_name));
  }
  report.parameters = network.plan.parameters;
  report.name = source.folder;
  if (report.name == "unet" || report.name == "unet_ema")
    report.name = component_name(network.plan);
  adapt_weights(weights, network.plan.specs);
  for (const auto& [to, from] : weights.origin) report.keys.emplace_back(from, to);
  network.tensors = std::move(weights.tensors);
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
