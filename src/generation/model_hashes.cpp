#include "generation/model_hashes.hpp"

#include "echopath/core/files.hpp"
#include "echopath/models/heart_cycle.hpp"

namespace echopath::generation {
namespace {

constexpr const char* kComponents[] = {
    "vae", "lidm", "lvdm", "reid", "class_embedding/lidm", "class_embedding/lvdm", "scheduler"};
constexpr const char* kSettings[] = {"vae/config.json",
                                     "lidm/config.json",
                                     "lvdm/config.json",
                                     "class_embedding/config.json",
                                     "reid/config.json",
                                     "reid/threshold.json",
                                     "reid/train_embeddings.safetensors"};

std::string settings_hash(const models::ModelDirectory& model) {
  config::Json settings = model.info().to_json();
  // The weights of the parts are hashed, and how they were trained decides nothing, but for the
  // heart rates that are drawn.
  settings.erase("components");
  if (const auto rates = models::HeartRates::learned(model.info(), model.path().string())) {
    settings["heart_rates"] = rates->to_json();
  }
  for (const char* file : kSettings) {
    const fs::path path = model.path() / file;
    if (fs::is_regular_file(path)) settings[file] = sha256_file(path);
  }
  return sha256_hex(settings.dump());
}

}  // namespace

std::map<std::string, std::string> model_hashes(const models::ModelDirectory& model) {
  std::map<std::string, std::string> hashes;
  for (const char* component : kComponents) {
    if (model.has(component)) hashes[component] = model.component_hash(component);
  }
  hashes[kSettingsHash] = settings_hash(model);
  return hashes;
}

}  // namespace echopath::generation
