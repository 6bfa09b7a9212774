#include <cstdio>
#include <system_error>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "evaluation/report_chapters.hpp"

namespace echopath::evaluation {

bool has_file(const fs::path& directory, const char* name) {
  std::error_code unknown;
  return fs::is_regular_file(directory / name, unknown);
}

config::Json read_document(const fs::path& path) {
  try {
    return config::read_json(path.string());
  } catch (const ConfigError& error) {
    throw DataError(error.what());
  }
}

std::string interval_text(const config::Json& interval, double scale) {
  const auto number = [&](const char* key) -> std::string {
    if (!interval.is_object() || !interval.contains(key) || !interval[key].is_number()) return "";
    char text[32];
    std::snprintf(text, sizeof(text), "%.3g", interval[key].get<double>() * scale);
    return text;
  };
  std::string text = number("estimate");
  if (text.empty()) return text;
  const std::string deviation = number("sd"), low = number("low"), high = number("high");
  if (!deviation.empty()) text += " ± " + deviation;
  if (!low.empty() && !high.empty()) text += " (" + low + " to " + high + ")";
  if (interval.contains("low") && interval["low"].is_null()) text += " (no interval)";
  return text;
}

void add_warnings(Chapter& chapter, const config::Json& document) {
  for (const config::Json& warning : document.value("warnings", config::Json::array())) {
    add_warning(chapter, warning.get<std::string>());
  }
}

bool is_provenance(const std::string& member) {
  return member == "options" || member == "seed" || member.ends_with("_sha256");
}

void add_provenance(Chapter& chapter, const config::Json& document) {
  config::Json shown = config::Json::object();
  for (const auto& [member, value] : document.items()) {
    if (is_provenance(member)) shown[member] = value;
  }
  if (shown.empty()) return;
  add_details(chapter, "options and SHA-256 of the networks",
              shown.dump(2, ' ', false, config::Json::error_handler_t::replace));
}

}  // namespace echopath::evaluation
