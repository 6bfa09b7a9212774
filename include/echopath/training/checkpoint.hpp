#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::training {

/// What a run needs to go on exactly where it was. The order of the data is a function of the step,
/// and draws are keyed by it, so the step stands for both; what LibTorch's own generators hold on
/// each process is kept beside it.
struct Checkpoint {
  std::int64_t step = 0;
  std::int64_t best_step = -1;  ///< of the best validation so far; −1: none
  std::int64_t processes = 1;   ///< that saved it
  std::string program;          ///< version that saved it
  std::string data;             ///< what it was trained on, as agree_on_data() tells it
  io::TensorMap weights;        ///< weights.safetensors: parameters and buffers
  io::TensorMap ema;            ///< ema.safetensors
  io::TensorMap optimizer;      ///< optimizer.safetensors
  io::TensorMap generators;     ///< generators.safetensors: "rank<r>" or "rank<r>.cuda", bytes
  config::Json loop;            ///< scaler, guard and validations of the trainer
  std::map<std::string, double> recipe_state;
  config::Json config;
};

/// Which checkpoints stay. Those of the best validation that a kept one names stay too.
struct Retention {
  std::int64_t keep_last = 2;   ///< so many of the newest
  std::int64_t keep_every = 0;  ///< steps that are a multiple of it, for ever (0: none)
};

/// Writes `checkpoints/step-00005000/`: a temporary folder, synced, `DONE` with the hashes of the
/// files last, renamed. Removes afterwards what `retention` does not keep, and any checkpoint of a
/// later step: one that was damaged. Throws DataError where it cannot be written; the others are
/// then untouched.
void save_checkpoint(const std::filesystem::path& run_directory, const Checkpoint& checkpoint,
                     const Retention& retention);

/// The newest checkpoint that is whole: DONE present and the hashes in it right. Damaged ones are
/// reported in the log and passed over. Empty where there is no checkpoint at all; throws DataError
/// where there are some and none is whole.
std::optional<Checkpoint> load_newest_checkpoint(const std::filesystem::path& run_directory);

/// The checkpoint of one step. Throws DataError where it is absent or damaged.
Checkpoint load_checkpoint(const std::filesystem::path& run_directory, std::int64_t step);

/// What the marker `DONE` of a checkpoint says.
struct CheckpointHashes {
  std::int64_t step = 0;
  std::map<std::string, std::string> sha256;  ///< by file
};

/// Of the newest checkpoint that has its marker; the files themselves are not read, so that one
/// that was damaged later is not noticed. Empty where there is none.
std::optional<CheckpointHashes> newest_checkpoint_hashes(
    const std::filesystem::path& run_directory);

/// Removes what a killed run left half-written in its folder.
void remove_leftovers(const std::filesystem::path& run_directory);

}  // namespace echopath::training
