#pragma once

#include <filesystem>
#include <string>

namespace echopath {

/// Sends log lines to standard error at `level` (trace, debug, info, warn, error, off). Standard
/// output is left to results. Throws UsageError on an unknown level.
void initialise_logging(const std::string& level, bool quiet);

/// Adds a plain-text log file to the sinks until the process ends.
void add_log_file(const std::filesystem::path& path);

/// A line of level error for the log files alone: of what standard error is told in other words.
void log_error_to_files(const std::string& message);

// The logging library stays behind these functions: its headers and LibTorch's bundle different
// versions of fmt.
void log_debug(const std::string& message);
void log_info(const std::string& message);
void log_warning(const std::string& message);
void log_error(const std::string& message);

/// Whether lines of level info reach standard error.
bool info_lines_wanted();

}  // namespace echopath
