#include "echopath/training/checkpoint.hpp"

#include <algorithm>
#include <cstdio>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"

namespace echopath::training {
namespace {

constexpr const char* kTensorFiles[] = {"weights.safetensors", "ema.safetensors",
                                        "optimizer.safetensors"};

std::vector<fs::path> checkpoint_folders(const fs::path& run_directory) {
  std::vector<fs::path> folders;
  const fs::path root = run_directory / "checkpoints";
  if (!fs::is_directory(root)) return folders;
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_directory() && entry.path().filename().string().rfind("step-", 0) == 0) {
      folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// Throws DataError where a file differs from what DONE says.
void verify(const fs::path& folder) {
  const fs::path marker = folder / "DONE";
  if (!fs::exists(marker)) throw DataError("no DONE marker");
  const config::Json hashes = config::parse_json(read_file(marker), marker.string());
  for (const auto& [name, hash] : hashes.items()) {
    if (sha256_file(folder / name) != hash.get<std::string>()) {
      throw DataError(name + " differs from the hash in DONE");
    }
  }
}

Checkpoint read_checkpoint(const fs::path& folder) {
  verify(folder);
  Checkpoint checkpoint;
  const fs::path state_path = folder / "state.json";
  const config::Json state = config::parse_json(read_file(state_path), state_path.string());
  checkpoint.step = state.at("step").get<std::int64_t>();
  checkpoint.processes = state.value("processes", std::int64_t{1});
  checkpoint.recipe_state = state.at("recipe").get<std::map<std::string, double>>();
  checkpoint.config =
      config::parse_json(read_file(folder / "config.json"), (folder / "config.json").string());
  checkpoint.weights = io::load_safetensors(folder / kTensorFiles[0]);
  checkpoint.ema = io::load_safetensors(folder / kTensorFiles[1]);
  checkpoint.optimizer = io::load_safetensors(folder / kTensorFiles[2]);
  return checkpoint;
}

}  // namespace

void save_checkpoint(const fs::path& run_directory, const Checkpoint& checkpoint,
                     std::int64_t keep_last) {
  char name[32];
  std::snprintf(name, sizeof(name), "step-%08lld", static_cast<long long>(checkpoint.step));
  const fs::path final_path = run_directory / "checkpoints" / name;
  if (fs::exists(final_path)) fs::remove_all(final_path);
  AtomicDirectory folder(final_path);
  const fs::path& path = folder.temporary_path();
  const io::TensorMap* tensors[] = {&checkpoint.weights, &checkpoint.ema, &checkpoint.optimizer};
  for (int i = 0; i < 3; ++i) io::save_safetensors(path / kTensorFiles[i], *tensors[i]);
  const config::Json state = {{"step", checkpoint.step},
                              {"processes", checkpoint.processes},
                              {"recipe", checkpoint.recipe_state}};
  write_file(path / "state.json", state.dump(2) + "\n");
  write_file(path / "config.json", checkpoint.config.dump(2) + "\n");
  config::Json hashes = config::Json::object();
  for (const char* file : {"weights.safetensors", "ema.safetensors", "optimizer.safetensors",
                           "state.json", "config.json"}) {
    hashes[file] = sha256_file(path / file);
  }
  write_file(path / "DONE", hashes.dump(2) + "\n");
  folder.commit();

  std::vector<fs::path> folders = checkpoint_folders(run_directory);
  while (static_cast<std::int64_t>(folders.size()) > keep_last) {
    fs::remove_all(folders.front());
    folders.erase(folders.begin());
  }
}

std::optional<Checkpoint> load_newest_checkpoint(const fs::path& run_directory) {
  std::vector<fs::path> folders = checkpoint_folders(run_directory);
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    try {
      return read_checkpoint(*folder);
    } catch (const std::exception& error) {
      log_warning("checkpoint " + folder->string() + " is damaged (" + error.what() +
                  "); trying the one before");
    }
  }
  return std::nullopt;
}

}  // namespace echopath::training
