#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::training {

/// What a run needs to go on exactly where it was. Random draws are keyed by step, and the order of
/// the data is a function of the step, so the step stands for both.
struct Checkpoint {
  std::int64_t step = 0;
  std::int64_t processes = 1;  ///< that saved it
  io::TensorMap weights;       ///< weights.safetensors: parameters and buffers
  io::TensorMap ema;           ///< ema.safetensors
  io::TensorMap optimizer;     ///< optimizer.safetensors
  std::map<std::string, double> recipe_state;
  config::Json config;
};

/// Writes `checkpoints/step-00005000/`: a temporary folder, synced, `DONE` with the hashes of the
/// files last, renamed. Removes the oldest beyond `keep_last` afterwards.
void save_checkpoint(const std::filesystem::path& run_directory, const Checkpoint& checkpoint,
                     std::int64_t keep_last);

/// The newest checkpoint that is whole: DONE present and the hashes in it right. Damaged ones are
/// reported in the log and passed over. Empty where there is none.
std::optional<Checkpoint> load_newest_checkpoint(const std::filesystem::path& run_directory);

}  // namespace echopath::training
