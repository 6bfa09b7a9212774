#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "evaluation/report_chapters.hpp"

namespace echopath::evaluation {
namespace {

/// What a document says of how its results were computed, and of what: all but the members in
/// `shown`. A member of a section has the section's name before its own.
config::Json settings_of(const config::Json& found, const std::set<std::string>& shown) {
  config::Json settings = config::Json::object();
  for (const auto& [key, value] : found.items()) {
    if (shown.contains(key) || value.is_null() || value == "") continue;
    if (!value.is_object()) {
      settings[key] = value;
      continue;
    }
    for (const auto& [member, setting] : value.items()) settings[key + " " + member] = setting;
  }
  return settings;
}

void add_settings_of(Chapter& chapter, const config::Json& found,
                     const std::set<std::string>& shown) {
  const config::Json settings = settings_of(found, shown);
  if (!settings.empty()) add_facts(chapter, "How they were computed", settings);
}

/// The classifiers of all arms, folded away.
void add_classifiers(Chapter& chapter, const config::Json& arms) {
  config::Json rows = config::Json::array();
  for (const config::Json& arm : arms) {
    for (const config::Json& source : arm.value("sources", config::Json::array())) {
      rows.push_back({arm.at("arm"), source.at("source"), source.at("sha256")});
    }
  }
  if (rows.empty()) return;
  add_folded_table(chapter, "SHA-256 of the classifiers", {"arm", "classifier", "SHA-256"}, rows);
}

/// `auc` is what the area under the curve is called.
void add_paired_tests(Chapter& chapter, const config::Json& comparisons, const std::string& auc) {
  config::Json rows = config::Json::array();
  for (const config::Json& pair : comparisons) {
    rows.push_back({pair.at("arm"), pair.at("against"), pair.at("mcnemar").at("p"),
                    pair.at("delong").at("p"), interval_text(pair.at("differences").at("accuracy")),
                    interval_text(pair.at("differences").at("auc"))});
  }
  if (rows.empty()) return;
  add_table(
      chapter, "Paired tests",
      {"arm", "against", "McNemar p", "DeLong p", "difference of accuracy", "difference of " + auc},
      rows);
}

Chapter classification_chapter(const Source& result) {
  const config::Json found = read_document(result.path / "classification.json");
  const bool of_labels = found.value("auc_from", "scores") == "labels";
  const std::string auc = of_labels ? "AUC (hard labels)" : "AUC";
  Chapter chapter = make_chapter("Classification: " + result.name);
  if (found.contains("split")) {
    const std::string split = found["split"].get<std::string>();
    add_note(chapter, "Judged on " + (split.empty() ? std::string("all") : "the " + split) +
                          " videos of " + found.at("dataset").get<std::string>() + ".");
  }
  config::Json rows = config::Json::array();
  std::vector<std::string> columns = {"arm", "classifiers", "videos", "patients", "look"};
  for (const config::Json& arm : found.at("arms")) {
    config::Json row = {arm.at("arm"), arm.at("classifiers"), arm.at("videos"), arm.at("patients"),
                        arm.at("look")};
    columns.resize(5);
    for (const auto& [name, score] : arm.at("scores").items()) {
      columns.push_back(name == "auc" ? auc : name);
      config::Json shown = score;
      if (arm.at("classifiers") == 1) shown.erase("sd");  // a single one has no spread
      row.push_back(interval_text(shown));
    }
    if (arm.contains("calibration_error_if_calibrated")) {  // older documents do not tell it
      columns.emplace_back("calibration_error if calibrated");
      row.push_back(arm["calibration_error_if_calibrated"]);
    }
    rows.push_back(row);
    if (arm.at("look").get<std::int64_t>() > 1) {
      add_warning(chapter, "Arm '" + arm.at("arm").get<std::string>() +
                               "' was judged on this test split " +
                               std::to_string(arm.at("look").get<std::int64_t>()) +
                               " times: its figures may be those of a choice.");
    }
  }
  add_note(chapter,
           "Means ± standard deviations over the classifiers of an arm, with 95 % intervals over "
           "patients.");
  if (of_labels) {
    add_note(chapter,
             "The AUC is of predicted labels, as published, not of scores; DeLong's test is of "
             "scores.");
  }
  add_table(chapter, "", columns, rows);
  add_paired_tests(chapter, found.at("comparisons"), auc);
  add_settings_of(chapter, found, {"arms", "comparisons", "auc_from"});
  add_classifiers(chapter, found.at("arms"));
  return chapter;
}

/// Tables of scripts/paper/tables.sh: tables.json lists {title, file, note, theirs}.
Chapter tables_chapter(const fs::path& result) {
  const config::Json found = read_document(result / "tables.json");
  Chapter chapter = make_chapter(found.value("title", "Tables"));
  for (const config::Json& note : found.value("notes", config::Json::array())) {
    add_note(chapter, note.get<std::string>());
  }
  for (const config::Json& table : found.at("tables")) {
    const fs::path file = result / table.at("file").get<std::string>();
    add_csv(chapter, table.at("title").get<std::string>(), io::read_csv(file));
    chapter["sections"].back()["theirs"] = table.value("theirs", config::Json::array());
  }
  return chapter;
}

/// "128 frames of 16 videos, 16 patients" of a side's counts; `items` is what is counted.
std::string count_text(const config::Json& count, const std::string& items) {
  if (count.is_null()) return "";
  return count.at("items").dump() + " " + items + " of " + count.at("videos").dump() + " videos, " +
         count.at("patients").dump() + " patients";
}

/// A number with four digits, or all those before the point below a million, as page.js has it.
std::string number_text(double value) {
  const double size = std::abs(value);
  char text[32];
  std::snprintf(text, sizeof(text), size >= 1e3 && size < 1e6 ? "%.0f" : "%.4g", value);
  return text;
}

/// What `echopath eval fid|fvd|is|generation` wrote. Each detector has a table of its own.
Chapter distribution_chapter(const fs::path& file) {
  const config::Json found = read_document(file);
  Chapter chapter = make_chapter("Distribution metrics: " + file.stem().string());
  add_warnings(chapter, found);
  for (const config::Json& one : found.at("detectors")) {
    const config::Json& detector = one.at("detector");
    const std::string items = detector.value("takes", "items");  // older documents do not tell it
    config::Json rows = config::Json::array();
    for (const config::Json& row : one.at("metrics")) {
      config::Json interval = "";
      if (row.contains("interval") && row["interval"][0].is_number()) {
        interval = number_text(row["interval"][0].get<double>()) + " to " +
                   number_text(row["interval"][1].get<double>());
      }
      const config::Json name = row.at("class").is_null() ? "all" : row.at("class");
      rows.push_back({row.at("metric"), name, row.at("value"),
                      row.value("spread", config::Json("")),
                      row.value("corrected", config::Json("")), interval,
                      count_text(row.at("real"), items), count_text(row.at("synthetic"), items)});
      for (const config::Json& warning : row.at("warnings")) {
        add_warning(chapter, row.at("metric").get<std::string>() + " of " +
                                 name.get<std::string>() + ": " + warning.get<std::string>());
      }
    }
    add_table(
        chapter,
        detector.at("name").get<std::string>() + " " +
            detector.at("hash").get<std::string>().substr(0, 12),
        {"metric", "class", "value", "± sd", "corrected", "95 % interval", "N real", "N synthetic"},
        rows);
    for (const char* side : {"real", "synthetic"}) {
      const config::Json& skipped = one.at(std::string("left_out_") + side);
      if (skipped.empty()) continue;
      add_warning(chapter, std::to_string(skipped.size()) + " " + side +
                               " videos were left out, the first: " +
                               skipped[0].at("name").get<std::string>() + ", " +
                               skipped[0].at("reason").get<std::string>());
    }
  }
  add_settings_of(chapter, found, {"kind", "detectors", "warnings"});
  return chapter;
}

/// The JSON files of a directory that say of themselves that they hold distribution metrics.
std::vector<fs::path> distribution_files(const fs::path& directory) {
  constexpr std::uintmax_t kMostBytes = 10'000'000;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() != ".json" || !entry.is_regular_file() ||
        entry.file_size() > kMostBytes) {
      continue;
    }
    const config::Json json =
        config::Json::parse(read_file(entry.path()), nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.value("kind", "") == "distribution") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

bool is_result(const fs::path& directory) {
  for (const char* name : {"privacy.json", "filter.json", "classification.json", "tables.json"}) {
    if (has_file(directory, name)) return true;
  }
  return !distribution_files(directory).empty();
}

std::vector<Chapter> result_chapters(const Source& result, const ReportOptions& options) {
  const fs::path& path = result.path;
  std::vector<Chapter> chapters;
  try {
    if (has_file(path, "tables.json")) chapters.push_back(tables_chapter(path));
    for (const fs::path& file : distribution_files(path)) {
      chapters.push_back(distribution_chapter(file));
    }
    if (has_file(path, "classification.json")) chapters.push_back(classification_chapter(result));
    if (has_file(path, "privacy.json")) chapters.push_back(privacy_chapter(path, options));
    if (has_file(path, "filter.json")) chapters.push_back(filter_chapter(path));
  } catch (const config::Json::exception& error) {
    throw DataError("'" + path.string() + "' holds results of another version; make them anew (" +
                    error.what() + ")");
  }
  return chapters;
}

}  // namespace echopath::evaluation
