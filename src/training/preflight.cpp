#include "training/preflight.hpp"

#include <unistd.h>

#include <cerrno>
#include <map>
#include <set>
#include <system_error>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"

namespace echopath::training {
namespace {

/// Options that may differ between the parts of a run: they steer the loop, or say where the result
/// goes.
const std::set<std::string>& free_keys() {
  static const std::set<std::string> keys = {"training.steps",
                                             "training.micro_batch_size",
                                             "training.log_every",
                                             "training.validate_every",
                                             "training.sample_every",
                                             "training.checkpoint_every",
                                             "training.keep_last",
                                             "training.keep_every",
                                             "training.save_retry_seconds",
                                             "training.loss_spike_factor",
                                             "training.time_limit_minutes",
                                             "training.max_nonfinite_steps",
                                             "training.join_timeout_seconds",
                                             "training.wait_timeout_minutes",
                                             "training.loader_workers",
                                             "training.prefetch_steps",
                                             "data.cache_gigabytes",
                                             "data.skip_unreadable",
                                             "output.model_directory",
                                             "output.weights_dtype"};
  return keys;
}

}  // namespace

bool is_data_path(const std::string& key) {
  return key == "data.latents" || key == "data.dataset" || key == "data.extra_datasets" ||
         key == "data.validation_dataset";
}

void require_writable_folder(const fs::path& path, const std::string& what) {
  const std::string named = what + " '" + path.string() + "' ";
  fs::path existing = fs::absolute(path);
  std::error_code error;
  fs::file_status status = fs::status(existing, error);
  while (status.type() == fs::file_type::not_found && existing.has_relative_path()) {
    existing = existing.parent_path();
    status = fs::status(existing, error);
  }
  if (status.type() == fs::file_type::none) {
    throw DataError(named + "cannot be reached: " + error.message());
  }
  if (!fs::is_directory(status)) {
    throw DataError(named + "cannot be a folder: '" + existing.string() +
                    "' is a file; choose another path");
  }
  if (::access(existing.c_str(), R_OK | W_OK | X_OK) != 0) {
    throw DataError(named + "cannot be used: '" + existing.string() +
                    "': " + std::generic_category().message(errno) +
                    "; choose a folder that you may read and write");
  }
}

void require_run_directory(const fs::path& run, bool resume) {
  require_writable_folder(run, "run directory");
  const bool holds_run = fs::exists(run / "config.json");
  if (holds_run && !resume) {
    throw UsageError("run directory '" + run.string() +
                     "' already holds a run; continue it with --resume or choose another --out");
  }
  if (!holds_run && resume) {
    throw UsageError("--resume: '" + run.string() +
                     "' holds no run (no config.json); check --out, or start a new run without "
                     "--resume");
  }
}

void require_same_options(const config::VisitFunction& before, const config::VisitFunction& now,
                          const fs::path& run) {
  std::map<std::string, std::string> values;
  for (const config::OptionDescription& row : config::describe(before)) {
    values[row.key] = row.default_value;
  }
  std::vector<std::string> changed;
  for (const config::OptionDescription& row : config::describe(now)) {
    const std::string& value = values[row.key];
    if (value == row.default_value) continue;
    if (row.key == "training.steps" &&
        values["training.learning_rate_schedule"] == config::Json("cosine").dump()) {
      log_warning("--resume: training.steps is " + row.default_value + ", was " + value +
                  "; the cosine of the learning rate now ends there, so that the rate jumps");
    }
    if (free_keys().contains(row.key)) continue;
    const std::string change =
        row.key + " is " + row.default_value + ", was " + (value.empty() ? "not there" : value);
    if (is_data_path(row.key)) {  // it may have moved
      log_warning("--resume: " + change + "; it must hold the same data");
    } else {
      changed.push_back(change);
    }
  }
  if (changed.empty()) return;
  throw UsageError("--resume: the run in '" + run.string() + "' has other options (" +
                   join(changed, "; ") +
                   "); leave out --config and --set to go on with its own, or start a new run with "
                   "another --out");
}

}  // namespace echopath::training
