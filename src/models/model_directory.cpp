#include "echopath/models/model_directory.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/models/copy_weights.hpp"
#include "echopath/models/scheduler_config.hpp"
#include "echopath/models/weights.hpp"
#include "echopath/nn/initialisation.hpp"
#include "models/config_checks.hpp"
#include "models/network_config.hpp"
#include "models/network_weights.hpp"

namespace echopath::models {

namespace {

constexpr const char* kInfoFile = "echopath.json";
constexpr const char* kClassEmbedding = "class_embedding";
constexpr const char* kClassifier = "Classifier";
constexpr const char* kWeightsFile = "diffusion_pytorch_model.safetensors";

/// A part of a model directory: its name, the file that we write of it and that it stands and falls
/// with, and the command that makes it.
struct Component {
  std::string name;
  std::string file;
  std::string origin;
};

const std::array<Component, 10> kComponents = {{
    {"vae", "vae/diffusion_pytorch_model.safetensors", "echopath train vae"},
    {"lidm", "lidm/diffusion_pytorch_model.safetensors", "echopath train lidm"},
    {"lvdm", "lvdm/diffusion_pytorch_model.safetensors", "echopath train lvdm"},
    {"reid", "reid/diffusion_pytorch_model.safetensors", "echopath train reid"},
    {"resnet50", "resnet50/diffusion_pytorch_model.safetensors", "echopath convert"},
    {"r3d_18", "r3d_18/diffusion_pytorch_model.safetensors", "echopath convert"},
    {"r2plus1d_18", "r2plus1d_18/diffusion_pytorch_model.safetensors", "echopath convert"},
    {"class_embedding/lidm", "class_embedding/lidm.safetensors", "echopath train lidm"},
    {"class_embedding/lvdm", "class_embedding/lvdm.safetensors", "echopath train lvdm"},
    {"scheduler", "scheduler/scheduler_config.json", "echopath train lidm"},
}};

Component component_named(const std::string& name) {
  for (const Component& component : kComponents) {
    if (name == component.name) return component;
  }
  TORCH_CHECK(may_name_classifier(name), "no such component: ", name);
  return {name, name + "/" + kWeightsFile, "echopath train classifier"};
}

fs::path component_file(const fs::path& directory, const std::string& name) {
  return directory / component_named(name).file;
}

/// The file that holds the component: for a network whatever convert reads (shards with an index, a
/// file of torch.save), else the one that we write.
fs::path stored_file(const fs::path& directory, const std::string& name) {
  const fs::path written = component_file(directory, name);
  if (written.filename() != kWeightsFile || !fs::is_directory(written.parent_path())) {
    return written;
  }
  const fs::path found = find_named_weights(written.parent_path());
  return found.empty() ? written : found;
}

/// Throws DataError where a network's folder, without weights that are recognised, has its config.
void require_weights_beside_config(const fs::path& folder) {
  if (!fs::is_regular_file(folder / "config.json")) return;
  throw DataError("'" + folder.string() +
                  "' has a config.json but no weights that are recognised: one file or index of "
                  "shards named diffusion_pytorch_model, model or pytorch_model, as safetensors or "
                  "of torch.save");
}

config::Json read_config(const fs::path& path) {
  require_file(path, "model config");
  try {
    return config::read_json(path.string());
  } catch (const ConfigError& error) {
    throw DataError(error.what());
  }
}

/// The network of a component's config.json; its `_class_name`, where given, must be `class_name`.
template <class Module, class Options, class... More>
Module build(const fs::path& path, const std::string& class_name, More... more) {
  const std::string source = path.string();
  const config::Json json = read_network_config(path);
  const std::string name = class_name_of(json, source);
  if (!name.empty() && name != class_name) {
    throw ConfigError(source + ": _class_name is " + quoted_text(name) + ", not '" + class_name +
                      "'");
  }
  Options options;
  apply_network_config(json, config::visit_of(options), source);
  return named_after(source, [&] { return Module(options, more...); });
}

/// Folders whose config.json is that of a classifier, sorted.
std::vector<std::string> classifiers_in(const fs::path& directory) {
  std::vector<std::string> names;
  if (!fs::is_directory(directory)) return names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    const fs::path config = entry.path() / "config.json";
    if (!may_name_classifier(name) || !fs::is_regular_file(config)) continue;
    const config::Json json = read_config(config);
    if (json.is_object() && json.contains("_class_name") && json["_class_name"] == kClassifier) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// Loads the weights into a fresh module, and makes it ready to run.
void prepare(torch::nn::Module& module, const fs::path& weights, at::Device device) {
  require_file(weights, "weights");
  load_network_weights(module, weights);
  module.to(device);
  module.eval();
}

void write_json(const fs::path& path, const config::Json& json) {
  write_file(path, json.dump(2) + "\n");
}

}  // namespace

ModelDirectory ModelDirectory::open(const fs::path& path) {
  require_directory(path, "model directory");
  ModelDirectory directory;
  directory.path_ = path;
  const fs::path info = path / kInfoFile;
  if (fs::exists(info)) {
    directory.info_ = ModelInfo::from_json(read_config(info), info.string());
    return directory;
  }
  for (const Component& component : kComponents) {
    if (directory.has(component.name)) return directory;
  }
  for (const Component& component : kComponents)
    require_weights_beside_config(path / component.name);
  if (!directory.classifiers().empty()) return directory;
  throw DataError("'" + path.string() +
                  "' is no model directory: it has neither echopath.json nor any of vae/, lidm/, "
                  "lvdm/, reid/");
}

const ModelInfo& ModelDirectory::info() const {
  if (!info_) {
    throw DataError("'" + path_.string() +
                    "' has no echopath.json (class names, latent scale); `echopath train` and "
                    "`echopath convert` write it");
  }
  return *info_;
}

bool ModelDirectory::has(const std::string& component) const {
  return fs::is_regular_file(stored_file(path_, component));
}

void ModelDirectory::require(const std::vector<std::string>& components) const {
  for (const std::string& name : components) {
    if (has(name)) continue;
    const Component component = component_named(name);
    require_weights_beside_config(path_ / name);
    throw DataError("the model directory '" + path_.string() + "' has no " + component.file +
                    "; `" + component.origin + "` makes it");
  }
}

std::string ModelDirectory::component_hash(const std::string& component) const {
  require({component});
  return hash_of_weights(stored_file(path_, component));
}

std::string ModelDirectory::encoder_hash() const {
  return models::encoder_hash(load_vae(at::kCPU));
}

AutoencoderKL ModelDirectory::load_vae(at::Device device) const {
  const nn::UninitialisedScope loaded_next;
  require({"vae"});
  auto vae =
      build<AutoencoderKL, AutoencoderKLConfig>(path_ / "vae" / "config.json", "AutoencoderKL");
  prepare(*vae, stored_file(path_, "vae"), device);
  return vae;
}

std::unique_ptr<LatentImageModel> ModelDirectory::load_lidm(at::Device device) const {
  const nn::UninitialisedScope loaded_next;
  require({"lidm"});
  const fs::path path = path_ / "lidm" / "config.json";
  auto lidm = make_latent_image_model(read_network_config(path), path.string());
  prepare(lidm->module(), stored_file(path_, "lidm"), device);
  return lidm;
}

bool ModelDirectory::lidm_is_conditional() const {
  require({"lidm"});
  const fs::path path = path_ / "lidm" / "config.json";
  return class_name_of(read_network_config(path), path.string()) != "UNet2DModel";
}

UNetSpatioTemporalConditionModel ModelDirectory::load_lvdm(at::Device device,
                                                           Compatibility compatibility) const {
  const nn::UninitialisedScope loaded_next;
  require({"lvdm"});
  auto lvdm = build<UNetSpatioTemporalConditionModel, UNetSpatioTemporalConfig>(
      path_ / "lvdm" / "config.json", "UNetSpatioTemporalConditionModel", compatibility);
  prepare(*lvdm, stored_file(path_, "lvdm"), device);
  return lvdm;
}

ReIdNet ModelDirectory::load_reid(at::Device device) const {
  const nn::UninitialisedScope loaded_next;
  require({"reid"});
  auto reid = build<ReIdNet, ReIdConfig>(path_ / "reid" / "config.json", "ReIdNet");
  prepare(*reid, stored_file(path_, "reid"), device);
  return reid;
}

ResNet ModelDirectory::load_resnet(at::Device device) const {
  const nn::UninitialisedScope loaded_next;
  require({"resnet50"});
  auto resnet = build<ResNet, ResNetOptions>(path_ / "resnet50" / "config.json", "ResNet");
  prepare(*resnet, stored_file(path_, "resnet50"), device);
  return resnet;
}

VideoResNet ModelDirectory::load_video_resnet(const std::string& component,
                                              at::Device device) const {
  const nn::UninitialisedScope loaded_next;
  require({component});
  auto resnet =
      build<VideoResNet, VideoResNetOptions>(path_ / component / "config.json", "VideoResNet");
  prepare(*resnet, stored_file(path_, component), device);
  return resnet;
}

std::vector<std::string> ModelDirectory::classifiers() const {
  return classifiers_in(path_);
}

Classifier ModelDirectory::load_classifier(const std::string& component, at::Device device) const {
  const nn::UninitialisedScope loaded_next;
  require({component});
  auto classifier =
      build<Classifier, ClassifierConfig>(path_ / component / "config.json", kClassifier);
  prepare(*classifier, stored_file(path_, component), device);
  return classifier;
}

ClassEmbedding ModelDirectory::load_class_embedding(const std::string& network, at::Device device,
                                                    Compatibility compatibility) const {
  const std::string component = std::string(kClassEmbedding) + "/" + network;
  require({component});
  const fs::path path = path_ / kClassEmbedding / "config.json";
  const config::Json json = read_config(path);
  const auto section = json.find(network);
  if (section == json.end()) {
    throw DataError(path.string() + ": key '" + network + "' is missing");
  }
  ClassEmbeddingConfig options;
  config::apply(*section, config::visit_of(options), path.string());
  ClassEmbedding embedding(options, compatibility);
  prepare(*embedding, stored_file(path_, component), device);
  return embedding;
}

void copy_weights(const ModelDirectory& model, const std::string& component,
                  torch::nn::Module& network, const std::string& kept) {
  model.require({component});
  copy_network_weights(network, stored_file(model.path(), component), kept);
}

diffusion::NoiseScheduleOptions ModelDirectory::schedule() const {
  require({"scheduler"});
  const fs::path path = component_file(path_, "scheduler");
  return schedule_from_text(read_file(path), path.string());
}

bool may_name_classifier(const std::string& name) {
  if (name.empty() || name == kClassEmbedding || name == "scheduler") return false;
  for (const Component& component : kComponents) {
    if (name == component.name) return false;
  }
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
}

void save_component(const fs::path& directory, const ComponentWeights& component,
                    const torch::nn::Module& module) {
  const fs::path file = component_file(directory, component.name);
  save_weights(module, file, component.dtype);
  // An index of earlier shards would go before the file.
  const fs::path read_first = stored_file(directory, component.name);
  if (read_first != file) fs::remove(read_first);
  config::Json json = {{"_class_name", component.class_name}};
  json.update(component.config);
  drop_default_groups(component.class_name, json);
  write_json(directory / component.name / "config.json", json);
}

void save_class_embedding(const fs::path& directory, const std::string& network,
                          const ClassEmbedding& embedding) {
  const fs::path config_path = directory / kClassEmbedding / "config.json";
  save_weights(*embedding, component_file(directory, std::string(kClassEmbedding) + "/" + network));
  config::Json json = {{"_class_name", "ClassEmbedding"}};
  if (fs::exists(config_path)) json = read_config(config_path);
  ClassEmbeddingConfig options = embedding->config();
  json[network] = config::dump(config::visit_of(options));
  write_json(config_path, json);
}

void save_schedule(const fs::path& directory, const diffusion::NoiseScheduleOptions& options) {
  write_json(component_file(directory, "scheduler"), schedule_to_json(options));
}

void update_model_info(const fs::path& directory, const std::function<void(ModelInfo&)>& change) {
  const fs::path path = directory / kInfoFile;
  ModelInfo info;
  if (fs::exists(path)) info = ModelInfo::from_json(read_config(path), path.string());
  change(info);
  info.hashes.clear();
  std::vector<std::string> names = classifiers_in(directory);
  for (const Component& component : kComponents) names.push_back(component.name);
  for (const std::string& name : names) {
    const fs::path file = stored_file(directory, name);
    if (fs::is_regular_file(file)) info.hashes[name] = hash_of_weights(file);
  }
  write_json(path, info.to_json());
}

}  // namespace echopath::models
