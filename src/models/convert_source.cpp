#include "models/convert_source.hpp"

#include <algorithm>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "models/foreign_json.hpp"
#include "models/network_plan.hpp"
#include "models/weight_files.hpp"

namespace echopath::models {

namespace {

constexpr const char* kConfig = "config.json";
constexpr const char* kEmaSuffix = "_ema";
constexpr const char* kCheckpointPrefix = "checkpoint-";

/// Files of a model directory beside its networks.
constexpr const char* kCompanions[] = {"echopath.json",
                                       "scheduler/scheduler_config.json",
                                       "class_embedding/config.json",
                                       "class_embedding/lidm.safetensors",
                                       "class_embedding/lvdm.safetensors",
                                       "reid/threshold.json",
                                       "reid/train_embeddings.safetensors"};

fs::path config_in(const fs::path& directory) {
  const fs::path config = directory / kConfig;
  return fs::is_regular_file(config) ? config : fs::path();
}

/// Whether the folder's config.json describes a network that can be built.
bool holds_known_network(const fs::path& directory) {
  const fs::path config = config_in(directory);
  if (config.empty()) return false;
  const config::Json json = read_foreign_json(config);
  const auto name = json.is_object() ? json.find("_class_name") : json.end();
  return name != json.end() && name->is_string() && is_known_network(name->get<std::string>());
}

std::vector<std::string> entries_of(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

SourceNetwork network_in(const fs::path& directory, const std::string& folder) {
  SourceNetwork network{find_weights(directory), config_in(directory), folder};
  if (network.weights.empty()) {
    throw DataError("'" + directory.string() +
                    "' has a config.json but no weights: neither safetensors, nor an index of "
                    "shards, nor a file of torch.save");
  }
  return network;
}

/// The networks of a folder of folders. Of a network and its moving average the latter is taken.
void survey_folders(const fs::path& directory, ConvertSource& source) {
  const std::vector<std::string> entries = entries_of(directory);
  std::set<std::string> folders;
  for (const std::string& name : entries) {
    if (fs::is_directory(directory / name) && holds_known_network(directory / name)) {
      folders.insert(name);
    }
  }
  for (const std::string& name : std::set<std::string>(folders)) {
    const std::string averaged = name + kEmaSuffix;
    if (folders.count(averaged) == 0) continue;
    folders.erase(name);
    source.notes.push_back("took the moving average '" + averaged + "', not '" + name + "'");
  }
  for (const std::string& name : folders) {
    source.networks.push_back(network_in(directory / name, name));
  }
  for (const char* companion : kCompanions) {
    if (fs::is_regular_file(directory / companion)) source.companions.push_back(companion);
  }
  for (const std::string& name : entries) {
    const bool goes_along =
        std::any_of(source.companions.begin(), source.companions.end(), [&](const auto& companion) {
          return companion == name || companion.starts_with(name + "/");
        });
    if (folders.count(name) == 0 && !goes_along) source.left_out.push_back(name);
  }
}

std::vector<std::string> checkpoints_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const std::string& name : entries_of(directory)) {
    if (name.starts_with(kCheckpointPrefix) && fs::is_directory(directory / name)) {
      names.push_back(name);
    }
  }
  return names;
}

/// Files of torch.save in a folder, where it holds no file that is named as weights.
std::vector<fs::path> loose_torch_files(const fs::path& directory) {
  std::vector<fs::path> files;
  if (!find_named_weights(directory).empty()) return files;
  for (const std::string& name : entries_of(directory)) {
    const fs::path file = directory / name;
    if (fs::is_regular_file(file) && is_torch_file(file)) files.push_back(file);
  }
  return files;
}

/// The reference's latents that lie in a folder, or in its Latents/, without a FileList.csv: two
/// files of torch.save or more, the first of which holds a tensor without a name.
std::vector<fs::path> latents_without_list(const fs::path& directory) {
  for (const fs::path& place : {directory / "Latents", directory}) {
    if (!fs::is_directory(place)) continue;
    const std::vector<fs::path> files = loose_torch_files(place);
    const bool enough = place == directory ? files.size() > 1 : !files.empty();
    if (enough && is_bare_tensor(read_stored_weights(files.front()).tensors)) return files;
  }
  return {};
}

ConvertSource survey_directory(const fs::path& directory) {
  ConvertSource source;
  source.folder = directory;
  if (fs::is_regular_file(directory / "FileList.csv") && fs::is_directory(directory / "Latents")) {
    source.is_latents_directory = true;
    return source;
  }
  if (!config_in(directory).empty()) {
    source.networks.push_back(network_in(directory, ""));
    return source;
  }
  survey_folders(directory, source);
  if (!source.networks.empty()) {
    // One network of a training checkpoint is a network; a model directory stays a folder of them.
    const std::string& name = source.networks.front().folder;
    if (source.networks.size() == 1 && source.companions.empty() &&
        (name.ends_with(kEmaSuffix) || name == "unet")) {
      source.networks.front().folder.clear();
    }
    return source;
  }
  const std::vector<std::string> checkpoints = checkpoints_in(directory);
  if (checkpoints.size() == 1) {
    ConvertSource only = survey_directory(directory / checkpoints.front());
    only.notes.push_back("took the only checkpoint, '" + checkpoints.front() + "'");
    return only;
  }
  if (!checkpoints.empty()) {
    throw DataError("'" + directory.string() + "' holds several checkpoints (" +
                    join(checkpoints, ", ") + "); give one of them as the source");
  }
  source.latent_files = latents_without_list(directory);
  if (!source.latent_files.empty()) {
    source.left_out.clear();
    return source;
  }
  const fs::path weights = find_weights(directory);
  if (weights.empty()) {
    throw DataError("'" + directory.string() +
                    "' holds nothing to convert: no config.json with weights, no folders of such, "
                    "no file of safetensors or torch.save, no FileList.csv with Latents/");
  }
  source.networks.push_back({weights, {}, ""});
  for (const fs::path& file : files_of_weights(weights)) {
    std::erase(source.left_out, file.filename().string());
  }
  return source;
}

/// The config.json beside a file of weights, where it is a network's.
fs::path config_beside(const fs::path& weights) {
  const fs::path config = config_in(weights.parent_path());
  if (config.empty()) return {};
  const config::Json json = read_foreign_json(config);
  return json.is_object() && json.contains("_class_name") ? config : fs::path();
}

}  // namespace

bool is_bare_tensor(const io::TensorMap& tensors) {
  return tensors.size() == 1 && tensors.begin()->first.empty();
}

ConvertSource survey_source(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return survey_directory(path);
  require_file(path, "source");
  ConvertSource source;
  source.networks.push_back({path, config_beside(path), ""});
  return source;
}

}  // namespace echopath::models
