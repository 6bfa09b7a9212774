#include <algorithm>
#include <cstddef>
#include <map>
#include <system_error>
#include <utility>

#include "echopath/core/files.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/training/checkpoint.hpp"
#include "evaluation/report_chapters.hpp"

namespace echopath::evaluation {
namespace {

/// Differing options that a page need not fold away.
constexpr std::size_t kMostOpenRows = 20;

/// Options by their dotted keys, in their order.
using Options = std::vector<std::pair<std::string, config::Json>>;

void collect(const config::Json& json, const std::string& key, Options& options) {
  if (!json.is_object()) {
    options.emplace_back(key, json);
    return;
  }
  for (const auto& [name, value] : json.items()) {
    collect(value, key.empty() ? name : key + "." + name, options);
  }
}

/// Of the hashes of the weights, as sampling records them, so much as tells them apart.
Options options_of(const config::Json& configuration) {
  Options options;
  collect(configuration, "", options);
  for (auto& [key, value] : options) {
    if (key.starts_with("weight_hashes.") && value.is_string()) {
      value = value.get<std::string>().substr(0, 12);
    }
  }
  return options;
}

/// What config.json holds: null where there is none, its text where that is no JSON.
config::Json configuration_of(const fs::path& directory) {
  const fs::path path = directory / "config.json";
  std::error_code unknown;
  if (!fs::is_regular_file(path, unknown)) return nullptr;
  const std::string text = read_file(path);
  config::Json json = config::Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return json.is_discarded() ? config::Json(text) : json;
}

/// Hashes of the weights: of a run those of its newest checkpoint, of samples those of the model.
config::Json hashes_of(const fs::path& directory) {
  if (is_samples(directory)) {
    const auto entries = generation::read_manifest(directory / generation::kManifest);
    return entries.empty() ? config::Json::object() : config::Json(entries.front().weight_hashes);
  }
  const auto newest = training::newest_checkpoint_hashes(directory);
  if (!newest) return config::Json::object();
  return {{"checkpoint of step", newest->step}, {"files", newest->sha256}};
}

/// A value as a text that cannot be taken for an absent one; numbers with all their digits.
std::string text_of(const config::Json& value) {
  if (!value.is_string()) return value.dump();
  const std::string text = value.get<std::string>();
  return text.empty() ? "\"\"" : text;
}

/// Options that one of several directories has otherwise than the first: [key, value of each…].
config::Json differing_rows(const std::vector<Options>& all) {
  std::vector<std::string> keys;
  std::vector<std::map<std::string, config::Json>> by_key;
  for (const Options& options : all) {
    for (const auto& [key, value] : options) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
    by_key.emplace_back(options.begin(), options.end());
  }
  config::Json rows = config::Json::array();
  for (const std::string& key : keys) {
    config::Json row = config::Json::array({key});
    bool is_same = true;
    for (const auto& options : by_key) {
      const auto found = options.find(key);
      row.push_back(found == options.end() ? "" : text_of(found->second));
      is_same = is_same && row.back() == row[1];
    }
    if (!is_same) rows.push_back(row);
  }
  return rows;
}

}  // namespace

void add_settings(Chapter& chapter, const std::vector<Source>& sources) {
  std::vector<std::string> columns = {"option"};
  std::vector<Options> all;
  std::vector<std::pair<std::string, std::string>> folded;
  for (const Source& source : sources) {
    const config::Json configuration = configuration_of(source.path);
    if (configuration.is_object()) {
      columns.push_back(source.name);
      all.push_back(options_of(configuration));
    }
    const config::Json whole = {{"configuration", configuration},
                                {"sha256", hashes_of(source.path)}};
    folded.emplace_back("configuration and hashes of " + source.name,
                        whole.dump(2, ' ', false, config::Json::error_handler_t::replace));
  }
  const config::Json rows = differing_rows(all);
  if (!rows.empty()) {
    add_table(chapter, "Options that differ: " + std::to_string(rows.size()), columns, rows);
    chapter["sections"].back()["folded"] = rows.size() > kMostOpenRows;
  }
  if (rows.empty() && all.size() > 1) add_note(chapter, "No option differs between them.");
  for (const auto& [title, text] : folded) add_details(chapter, title, text);
}

}  // namespace echopath::evaluation
