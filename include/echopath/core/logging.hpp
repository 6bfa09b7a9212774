#pragma once

#include <spdlog/spdlog.h>

#include <filesystem>
#include <string>

namespace echopath {

/// Sends log lines to standard error at `level` (trace, debug, info, warn, error, off). Standard
/// output is left to results. Throws UsageError on an unknown level.
void initialise_logging(const std::string& level, bool quiet);

/// Adds a plain-text log file to the sinks until the process ends.
void add_log_file(const std::filesystem::path& path);

}  // namespace echopath
