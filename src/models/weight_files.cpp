#include "models/weight_files.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/pt_reader.hpp"
#include "models/foreign_json.hpp"

namespace echopath::models {

namespace {

constexpr std::string_view kIndexMark = ".index.";
constexpr std::string_view kZipMagic = "PK\x03\x04";
/// A pickle of protocol 2 that begins with the 10-byte magic number of torch's stream format.
constexpr std::string_view kStreamMagic =
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

std::string first_bytes(const fs::path& path, std::size_t count) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(count, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(count));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

/// NAME.safetensors.index.json, or of diffusers' variants NAME.safetensors.index.fp16.json.
bool is_index(const fs::path& path) {
  const std::string name = path.filename().string();
  return path.extension() == ".json" && name.find(kIndexMark) != std::string::npos;
}

/// What stands before "safetensors", "bin" or an index's ending: "diffusion_pytorch_model", or
/// "diffusion_pytorch_model.fp16" of a variant.
std::string weights_name(const fs::path& file) {
  if (!is_index(file)) return file.stem().string();
  const std::string name = file.stem().string();  // model.safetensors.index[.fp16]
  const std::size_t mark = (name + ".").find(kIndexMark);
  const std::string before = fs::path(name.substr(0, mark)).stem().string();
  const std::size_t variant = mark + kIndexMark.size() - 1;
  return variant < name.size() ? before + name.substr(variant) : before;
}

std::vector<fs::path> regular_files(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

constexpr std::array<const char*, 3> kUsualNames = {"diffusion_pytorch_model", "model",
                                                    "pytorch_model"};

/// The file that diffusers and accelerate would open among several.
fs::path usual_one(const std::vector<fs::path>& files) {
  for (const char* name : kUsualNames) {
    for (const fs::path& file : files) {
      if (weights_name(file) == name) return file;
    }
  }
  return {};
}

/// The only file among several that is a variant of diffusers' (NAME.fp16.safetensors).
fs::path only_variant(const std::vector<fs::path>& files) {
  fs::path found;
  for (const fs::path& file : files) {
    const std::string name = weights_name(file);
    const bool is_variant = std::any_of(
        kUsualNames.begin(), kUsualNames.end(),
        [&](const char* usual) { return name != usual && fs::path(name).stem() == usual; });
    if (!is_variant) continue;
    if (!found.empty()) return {};
    found = file;
  }
  return found;
}

fs::path only_one(const std::vector<fs::path>& files, const fs::path& directory) {
  if (files.empty()) return {};
  if (files.size() == 1) return files.front();
  std::vector<std::string> names;
  for (const fs::path& file : files) names.push_back(file.filename().string());
  throw DataError("'" + directory.string() + "' holds several files that could be the weights (" +
                  join(names, ", ") + "); give one of them as the source");
}

StoredWeights read_single_file(const fs::path& path) {
  require_file(path, "weights");
  StoredWeights weights;
  weights.where = path.string();
  const bool torch_file = is_torch_file(path);
  if (is_safetensors_file(path) || (!torch_file && path.extension() == ".safetensors")) {
    const io::SafetensorsFile& file = weights.files.emplace_back(path);
    weights.tensors = file.all();
    weights.metadata = file.metadata();
    weights.format = "safetensors";
  } else {
    weights.tensors = io::load_pt(path);
    weights.format = first_bytes(path, kZipMagic.size()) == kZipMagic ? "torch.save, zip format"
                                                                      : "torch.save, stream format";
  }
  return weights;
}

/// The shards of an index: file name → the keys that it should have.
std::map<std::string, std::vector<std::string>> read_index(const fs::path& index) {
  const config::Json json = read_foreign_json(index);
  const auto weight_map = json.is_object() ? json.find("weight_map") : json.end();
  if (weight_map == json.end() || !weight_map->is_object() || weight_map->empty()) {
    throw DataError(index.string() + ": has no 'weight_map' of tensor names to shards");
  }
  std::map<std::string, std::vector<std::string>> shards;
  std::vector<std::string> faults;
  for (const auto& [key, value] : weight_map->items()) {
    if (!value.is_string()) {
      faults.push_back("the shard of " + quoted_text(key) + " is no text");
      continue;
    }
    const auto name = value.get<std::string>();
    const fs::path path(name);
    if (name.empty() || path.filename() != path || name == "." || name == ".." ||
        name.find('\0') != std::string::npos) {
      faults.push_back("the shard of " + quoted_text(key) +
                       " points outside the folder: " + quoted_text(name));
      continue;
    }
    shards[name].push_back(key);
  }
  if (!faults.empty()) throw DataError(index.string() + ": " + join(faults, "; "));
  return shards;
}

/// Moves a shard's tensors into the weights; what does not agree with the index goes to `faults`.
void add_shard(const fs::path& path, const std::vector<std::string>& keys, StoredWeights& weights,
               std::vector<std::string>& faults) {
  StoredWeights shard = read_single_file(path);
  weights.format = shard.format;
  for (io::SafetensorsFile& file : shard.files) weights.files.push_back(std::move(file));
  std::vector<std::string> absent;
  for (const std::string& key : keys) {
    const auto found = shard.tensors.find(key);
    if (found == shard.tensors.end()) {
      absent.push_back(key);
    } else {
      weights.tensors.insert(shard.tensors.extract(found));
    }
  }
  std::vector<std::string> unlisted;
  for (const auto& [key, tensor] : shard.tensors) unlisted.push_back(key);
  if (!absent.empty()) {
    faults.push_back(path.string() +
                     ": lacks tensors that the index places there: " + join(absent, ", "));
  }
  if (!unlisted.empty()) {
    faults.push_back(path.string() + ": holds tensors that the index does not place there: " +
                     join(unlisted, ", "));
  }
}

StoredWeights read_shards(const fs::path& index) {
  StoredWeights weights;
  const auto shards = read_index(index);
  std::vector<std::string> faults;
  for (const auto& [name, keys] : shards) {
    const fs::path path = index.parent_path() / name;
    try {
      require_file(path, "shard of " + index.string());
      add_shard(path, keys, weights, faults);
    } catch (const DataError& error) {
      faults.emplace_back(error.what());
    }
  }
  if (!faults.empty()) throw DataError(join(faults, "; "));
  weights.where = index.string();
  weights.format += " in " + std::to_string(shards.size()) + " shards";
  return weights;
}

/// Files of a folder that could be its weights: indices, safetensors, files of torch.save.
std::array<std::vector<fs::path>, 3> candidates_in(const fs::path& directory) {
  std::array<std::vector<fs::path>, 3> candidates;
  auto& [indices, safetensors, torch_files] = candidates;
  for (const fs::path& file : regular_files(directory)) {
    if (is_index(file)) {
      indices.push_back(file);
    } else if (is_safetensors_file(file) || file.extension() == ".safetensors") {
      safetensors.push_back(file);
    } else if (is_torch_file(file)) {
      torch_files.push_back(file);
    }
  }
  return candidates;
}

}  // namespace

bool is_safetensors_file(const fs::path& path) {
  const std::string bytes = first_bytes(path, 9);
  std::uint64_t length = 0;
  if (bytes.size() < 9) return false;
  std::memcpy(&length, bytes.data(), sizeof(length));
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  return !error && length < size && bytes[8] == '{';
}

bool is_torch_file(const fs::path& path) {
  const std::string bytes = first_bytes(path, kStreamMagic.size());
  return bytes.starts_with(kZipMagic) || bytes == kStreamMagic;
}

fs::path find_weights(const fs::path& directory) {
  const fs::path named = find_named_weights(directory);
  if (!named.empty()) return named;
  for (const auto& files : candidates_in(directory)) {
    const fs::path found = only_one(files, directory);
    if (!found.empty()) return found;
  }
  return {};
}

fs::path find_named_weights(const fs::path& directory) {
  const auto candidates = candidates_in(directory);
  for (const auto& find : {usual_one, only_variant}) {
    for (const auto& files : candidates) {
      const fs::path found = find(files);
      if (!found.empty()) return found;
    }
  }
  return {};
}

std::vector<fs::path> files_of_weights(const fs::path& path) {
  std::vector<fs::path> files = {path};
  if (!is_index(path)) return files;
  for (const auto& [name, keys] : read_index(path)) files.push_back(path.parent_path() / name);
  return files;
}

std::string hash_of_weights(const fs::path& path) {
  if (!is_index(path)) return sha256_file(path);
  std::string hashes;
  for (const auto& [name, keys] : read_index(path)) {
    hashes += sha256_file(path.parent_path() / name);
  }
  return sha256_hex(hashes);
}

bool StoredWeights::is_mapped(const std::string& name) const {
  return std::any_of(files.begin(), files.end(),
                     [&](const io::SafetensorsFile& file) { return file.contains(name); });
}

void StoredWeights::forget(const std::string& name) const {
  for (const io::SafetensorsFile& file : files) {
    if (file.contains(name)) file.forget(name);
  }
}

StoredWeights read_stored_weights(const fs::path& path) {
  return is_index(path) ? read_shards(path) : read_single_file(path);
}

}  // namespace echopath::models
