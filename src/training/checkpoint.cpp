#include "echopath/training/checkpoint.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/leftovers.hpp"
#include "echopath/core/logging.hpp"

namespace echopath::training {
namespace {

constexpr const char* kFiles[] = {
    "weights.safetensors",    "ema.safetensors", "optimizer.safetensors",
    "generators.safetensors", "state.json",      "config.json"};

fs::path folder_of(const fs::path& run_directory, std::int64_t step) {
  char name[32];
  std::snprintf(name, sizeof(name), "step-%08lld", static_cast<long long>(step));
  return run_directory / "checkpoints" / name;
}

/// Folders of checkpoints by their steps, whole or not.
std::map<std::int64_t, fs::path> checkpoint_folders(const fs::path& run_directory) {
  std::map<std::int64_t, fs::path> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run_directory / "checkpoints", error)) {
    long long step = 0;
    int length = 0;
    const std::string name = entry.path().filename().string();
    if (std::sscanf(name.c_str(), "step-%lld%n", &step, &length) == 1 &&
        static_cast<std::size_t>(length) == name.size()) {
      folders[step] = entry.path();
    }
  }
  return folders;
}

config::Json read_json_file(const fs::path& path) {
  return config::parse_json(read_file(path), path.string());
}

/// Throws DataError where a file is not what DONE says.
void verify(const fs::path& folder) {
  const fs::path marker = folder / "DONE";
  if (!fs::exists(marker)) throw DataError("it has no DONE marker, so it was not finished");
  const config::Json hashes = read_json_file(marker);
  for (const char* name : kFiles) {
    if (!hashes.contains(name)) throw DataError(std::string("DONE has no hash of ") + name);
    if (sha256_file(folder / name) != hashes.at(name).get<std::string>()) {
      throw DataError(std::string(name) + " differs from its hash in DONE");
    }
  }
}

Checkpoint read_checkpoint(const fs::path& folder) {
  verify(folder);
  Checkpoint checkpoint;
  const config::Json state = read_json_file(folder / "state.json");
  checkpoint.step = state.at("step").get<std::int64_t>();
  checkpoint.best_step = state.at("best_step").get<std::int64_t>();
  checkpoint.processes = state.at("processes").get<std::int64_t>();
  checkpoint.program = state.at("program").get<std::string>();
  checkpoint.data = state.at("data").get<std::string>();
  checkpoint.loop = state.at("loop");
  checkpoint.recipe_state = state.at("recipe").get<std::map<std::string, double>>();
  checkpoint.config = read_json_file(folder / "config.json");
  checkpoint.weights = io::load_safetensors(folder / "weights.safetensors");
  checkpoint.ema = io::load_safetensors(folder / "ema.safetensors");
  checkpoint.optimizer = io::load_safetensors(folder / "optimizer.safetensors");
  checkpoint.generators = io::load_safetensors(folder / "generators.safetensors");
  return checkpoint;
}

void write_checkpoint(const fs::path& folder, const Checkpoint& checkpoint) {
  io::save_safetensors(folder / "weights.safetensors", checkpoint.weights);
  io::save_safetensors(folder / "ema.safetensors", checkpoint.ema);
  io::save_safetensors(folder / "optimizer.safetensors", checkpoint.optimizer);
  io::save_safetensors(folder / "generators.safetensors", checkpoint.generators);
  const config::Json state = {
      {"step", checkpoint.step},           {"best_step", checkpoint.best_step},
      {"processes", checkpoint.processes}, {"program", checkpoint.program},
      {"data", checkpoint.data},           {"loop", checkpoint.loop},
      {"recipe", checkpoint.recipe_state}};
  write_file(folder / "state.json", state.dump(2) + "\n");
  write_file(folder / "config.json", checkpoint.config.dump(2) + "\n");
  config::Json hashes = config::Json::object();
  for (const char* file : kFiles) hashes[file] = sha256_file(folder / file);
  write_file(folder / "DONE", hashes.dump(2) + "\n");
}

/// The step of the best validation that a checkpoint names; −1 where it names none.
std::int64_t best_step_of(const fs::path& folder) {
  try {
    return read_json_file(folder / "state.json").value("best_step", std::int64_t{-1});
  } catch (const std::exception&) {
    return -1;  // damaged: nobody will go on from it
  }
}

void remove_the_others(const fs::path& run_directory, std::int64_t newest,
                       const Retention& retention) {
  const std::map<std::int64_t, fs::path> folders = checkpoint_folders(run_directory);
  std::set<std::int64_t> kept;
  std::int64_t last = 0;
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    const auto& [step, path] = *folder;
    if (step > newest) continue;
    if (last++ < retention.keep_last) {
      kept.insert(step);
      kept.insert(best_step_of(path));
    }
    if (retention.keep_every > 0 && step % retention.keep_every == 0) kept.insert(step);
  }
  for (const auto& [step, path] : folders) {
    std::error_code error;
    if (!kept.contains(step)) fs::remove_all(path, error);
    if (error) log_warning("cannot remove '" + path.string() + "': " + error.message());
  }
}

}  // namespace

void save_checkpoint(const fs::path& run_directory, const Checkpoint& checkpoint,
                     const Retention& retention) {
  const fs::path final_path = folder_of(run_directory, checkpoint.step);
  // One of this step can only be a damaged one, from which the run did not go on. Where it cannot
  // be removed, or is no folder, the next line says what is wrong.
  std::error_code ignored;
  fs::remove_all(final_path, ignored);
  AtomicDirectory folder(final_path);
  write_checkpoint(folder.temporary_path(), checkpoint);
  folder.commit();
  remove_the_others(run_directory, checkpoint.step, retention);
}

std::optional<Checkpoint> load_newest_checkpoint(const fs::path& run_directory) {
  const std::map<std::int64_t, fs::path> folders = checkpoint_folders(run_directory);
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    const std::string path = folder->second.string();
    try {
      return read_checkpoint(folder->second);
    } catch (const std::exception& error) {
      log_warning("checkpoint '" + path + "' is damaged: " + error.what() +
                  "; trying the one before");
    }
  }
  if (folders.empty()) return std::nullopt;
  throw DataError("none of the " + std::to_string(folders.size()) + " checkpoints in '" +
                  (run_directory / "checkpoints").string() +
                  "' is whole; restore one from a copy, or remove that folder to begin again at "
                  "step 0");
}

Checkpoint load_checkpoint(const fs::path& run_directory, std::int64_t step) {
  const fs::path folder = folder_of(run_directory, step);
  try {
    return read_checkpoint(folder);
  } catch (const std::exception& error) {
    throw DataError("checkpoint '" + folder.string() + "' cannot be used: " + error.what());
  }
}

std::optional<CheckpointHashes> newest_checkpoint_hashes(const fs::path& run_directory) {
  const std::map<std::int64_t, fs::path> folders = checkpoint_folders(run_directory);
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    try {
      const config::Json hashes = read_json_file(folder->second / "DONE");
      return CheckpointHashes{folder->first, hashes.get<std::map<std::string, std::string>>()};
    } catch (const std::exception&) {
      continue;  // not finished, or damaged: the one before may be whole
    }
  }
  return std::nullopt;
}

void remove_leftovers(const fs::path& run_directory) {
  const auto remove_temporary = [](const fs::path& folder, const auto& is_ours) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (is_ours(stem_of_leftover(entry.path()))) fs::remove_all(entry.path(), error);
    }
  };
  remove_temporary(run_directory / "checkpoints",
                   [](const std::string& stem) { return stem.starts_with("step-"); });
  remove_temporary(run_directory,
                   [](const std::string& stem) { return stem == "config" || stem == "metrics"; });
}

}  // namespace echopath::training
