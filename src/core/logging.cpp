#include "echopath/core/logging.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath {
namespace {

spdlog::level::level_enum parse_level(const std::string& name) {
  static const std::vector<std::string> kNames = {"trace", "debug", "info", "warn", "error", "off"};
  if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) {
    const std::string near = nearest_name(name, kNames);
    throw UsageError("log level '" + name + "' is unknown; use one of " + join(kNames, ", ") +
                     (near.empty() ? "" : " (did you mean '" + near + "'?)"));
  }
  return spdlog::level::from_str(name == "error" ? "err" : name);
}

}  // namespace

void initialise_logging(const std::string& level, bool quiet) {
  const spdlog::level::level_enum parsed = parse_level(level);
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  // On a terminal a log line first wipes the progress line that may stand there.
  sink->set_pattern(isatty(STDERR_FILENO) != 0 ? "\r\033[K%H:%M:%S %^%l%$ %v" : "%H:%M:%S %l %v");
  sink->set_level(quiet ? std::max(parsed, spdlog::level::warn) : parsed);
  auto logger = std::make_shared<spdlog::logger>("echopath", std::move(sink));
  logger->set_level(parsed);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void add_log_file(const std::filesystem::path& path) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string());
    sink->set_pattern("%Y-%m-%d %H:%M:%S %l %v");
    spdlog::default_logger()->sinks().push_back(std::move(sink));
  } catch (const spdlog::spdlog_ex& error) {
    throw DataError("cannot open the log file '" + path.string() + "': " + error.what());
  }
}

void log_error_to_files(const std::string& message) {
  const auto logger = spdlog::default_logger();
  const auto& sinks = logger->sinks();
  for (std::size_t i = 1; i < sinks.size(); ++i) {
    sinks[i]->log({logger->name(), spdlog::level::err, message});
    sinks[i]->flush();
  }
}

void log_debug(const std::string& message) {
  spdlog::debug(message);
}
void log_info(const std::string& message) {
  spdlog::info(message);
}
void log_warning(const std::string& message) {
  spdlog::warn(message);
}
void log_error(const std::string& message) {
  spdlog::error(message);
}

bool info_lines_wanted() {
  const auto& sinks = spdlog::default_logger()->sinks();
  return !sinks.empty() && sinks.front()->should_log(spdlog::level::info);
}

}  // namespace echopath
