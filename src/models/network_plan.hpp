#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "models/weight_check.hpp"

namespace echopath::models {

/// A network as its config.json describes it, without its weights.
struct NetworkPlan {
  std::string class_name;
  config::Json config;  ///< complete, with `_class_name`
  TensorSpecs specs;
  std::int64_t parameters = 0;
};

/// The values of `_class_name` that can be built.
const std::vector<std::string>& known_networks();
bool is_known_network(const std::string& class_name);

/// Throws ConfigError naming `source` and the key where the config cannot be built.
NetworkPlan plan_network(const std::string& class_name, const config::Json& config,
                         const std::string& source);

/// The network's folder in a model directory: vae, lidm, lvdm, reid, resnet50, r3d_18, r2plus1d_18,
/// classifier.
std::string component_name(const NetworkPlan& plan);

/// A config for weights that came without one: what their shapes tell, and the published networks'
/// values for the rest (groups of norms, attention heads).
config::Json infer_config(const std::string& class_name, const TensorSpecs& specs);
/// What `infer_config` had to assume; empty where the shapes tell everything.
std::string inferred_assumption(const std::string& class_name);

}  // namespace echopath::models
