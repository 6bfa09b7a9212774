#pragma once

#include <filesystem>
#include <string>

#include "echopath/config/options.hpp"

namespace echopath::training {

/// Throws DataError unless a folder can be made at `path`, or written into where it is there.
/// `what` names it in the error: "run directory".
void require_writable_folder(const std::filesystem::path& path, const std::string& what);

/// Whether a training can run in this folder. Throws DataError where it cannot be written,
/// UsageError where it holds a run that is not to be resumed, or none that could be.
void require_run_directory(const std::filesystem::path& run, bool resume);

/// Whether an option names a folder, or a list of folders, of training data.
bool is_data_path(const std::string& key);

/// Whether a resumed run goes on as it began: `before` are the options in its config.json, `now`
/// those of this call. What only steers the loop (number of steps, intervals, limits, micro-batch,
/// cache) and where the result goes may change; another data path gets a warning; anything else
/// throws UsageError naming each key with both values.
void require_same_options(const config::VisitFunction& before, const config::VisitFunction& now,
                          const std::filesystem::path& run);

}  // namespace echopath::training
