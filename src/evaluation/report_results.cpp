#include <algorithm>
#include <cstdio>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/evaluation/video_set.hpp"
#include "evaluation/report_chapters.hpp"

namespace echopath::evaluation {
namespace {

bool has(const fs::path& directory, const char* name) {
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

/// "0.123 ± 0.01 (0.1 to 0.15)" of {estimate, sd, low, high}, as far as they are numbers; as
/// percent where asked.
std::string interval_text(const config::Json& interval, double scale = 1.0) {
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
  return text;
}

/// The columns of level_row().
const std::vector<std::string>& level_columns() {
  static const std::vector<std::string> names = {"level",
                                                 "threshold",
                                                 "unseen real above it at most, %",
                                                 "held-out real flagged, %",
                                                 "memorised samples, %",
                                                 "memorised patients, %",
                                                 "by chance at most, %",
                                                 "nearer to training, %",
                                                 "median distance ratio",
                                                 "authentic, %",
                                                 "authentic held-out real, %",
                                                 "covered, %",
                                                 "covered by held-out real, %"};
  return names;
}

config::Json level_row(const std::string& name, const config::Json& level) {
  const auto interval = [&](const char* key) { return interval_text(level.at(key), 100.0); };
  const auto percent = [&](const char* key) { return level.at(key).get<double>() * 100.0; };
  return {name,
          level.at("threshold"),
          percent("expected_rate"),
          interval("check_rate"),
          interval("flagged_samples"),
          interval("flagged_patients"),
          percent("flagged_patients_by_chance"),
          interval("nearer_to_training"),
          level.at("median_distance_ratio"),
          interval("authenticity"),
          percent("held_out_authenticity"),
          interval("coverage"),
          percent("held_out_coverage")};
}

config::Json membership_row(const std::string& name, const config::Json& found) {
  return {name,
          interval_text(found.at("auc")),
          interval_text(found.at("tpr"), 100.0),
          found.at("at_fpr").get<double>() * 100.0,
          found.at("members"),
          found.at("non_members")};
}

/// A frame of a video; empty where the set has no such video or frame.
std::string frame_address(const VideoSet& set, const std::string& name, std::int64_t frame) {
  const auto found = std::find_if(
      set.videos().begin(), set.videos().end(),
      [&](const VideoItem& item) { return item.name == name || item.path.filename() == name; });
  if (found == set.videos().end()) return "";
  const io::Frames frames = load_frames(*found);
  return frame >= 0 && frame < frames.count ? picture_address(frames, frame) : "";
}

/// Samples beside their nearest training videos, at the two frames that are most alike, and the
/// most alike pairs first. Needs both directories.
void add_neighbours(Chapter& chapter, const fs::path& result, const config::Json& options,
                    std::int64_t most) {
  if (!has(result, "privacy_audit.csv")) return;
  io::CsvTable table = io::read_csv(result / "privacy_audit.csv");
  const auto column = [&](const char* name) {
    return static_cast<std::size_t>(table.require_column(name));
  };
  const std::size_t name = column("FileName"), near = column("FrameNearest"),
                    similarity = column("FrameSimilarity"), patient = column("FramePatient"),
                    flagged = column("FrameFlagged"), own_at = column("FrameAt"),
                    near_at = column("FrameNearestAt");
  std::sort(table.rows.begin(), table.rows.end(), [&](const auto& a, const auto& b) {
    return std::stod(a[similarity]) > std::stod(b[similarity]);
  });
  try {
    VideoSetOptions any;
    any.refuse_shared_patients = false;
    const VideoSet real = VideoSet::open(options.at("real").get<std::string>(), any);
    const VideoSet synthetic = VideoSet::open(options.at("synthetic").get<std::string>(), any);
    config::Json items = config::Json::array();
    for (const auto& row : table.rows) {
      if (static_cast<std::int64_t>(items.size()) >= most) break;
      const std::string left = frame_address(synthetic, row[name], std::stoll(row[own_at]));
      const std::string right = frame_address(real, row[near], std::stoll(row[near_at]));
      if (left.empty() || right.empty()) continue;
      const std::string left_name = row[name] + ", frame " + row[own_at];
      const std::string right_name = row[near] + ", frame " + row[near_at];
      items.push_back({{"left", {{"image", left}, {"caption", left_name}}},
                       {"right", {{"image", right}, {"caption", right_name}}},
                       {"caption", left_name + " (left) and training patient " + row[patient] +
                                       ", " + right_name + ": similarity " + row[similarity] +
                                       (row[flagged] == "1" ? ", flagged as memorised" : "")}});
    }
    add_section(chapter,
                {{"type", "pairs"},
                 {"title", "Samples and their nearest training videos, at the frames most alike"},
                 {"items", items}});
  } catch (const DataError& error) {
    add_note(chapter, std::string("Nearest training videos are not shown: ") + error.what());
  }
}

/// How similar both sides are to the training videos, with the threshold of the level.
void add_level_histogram(Chapter& chapter, const fs::path& file, const std::string& title,
                         const config::Json& level) {
  if (level.is_null() || !fs::is_regular_file(file)) return;
  add_histogram(chapter, title, io::read_csv(file),
                {"threshold", level.at("threshold").get<double>()});
}

Chapter privacy_chapter(const fs::path& result, const ReportOptions& options) {
  const config::Json found = read_document(result / "privacy.json");
  const config::Json& asked = found.at("options");
  Chapter chapter = make_chapter("Privacy audit");
  add_note(chapter,
           std::to_string(found.at("synthetic").get<std::int64_t>()) + " synthetic videos, " +
               std::to_string(found.at("training_patients").get<std::int64_t>()) +
               " training patients, " +
               std::to_string(found.at("held_out_patients").get<std::int64_t>()) +
               " held-out ones. Intervals in brackets, 95 %. Passing an audit does not prove that "
               "nobody can be found.");
  char rate[16];
  std::snprintf(rate, sizeof(rate), "%.3g", asked.at("false_positive_rate").get<double>() * 100.0);
  add_note(chapter,
           "The threshold is meant to let " + std::string(rate) +
               " % (--fpr) of real videos that were not trained on lie above it; it is taken from "
               "those of " +
               asked.at("calibration_split").get<std::string>() + ".");
  for (const config::Json& warning : found.at("warnings")) {
    add_warning(chapter, warning.get<std::string>());
  }
  config::Json levels = config::Json::array(), attacks = config::Json::array();
  for (const char* level : {"frames", "motion"}) {
    if (found.at(level).is_null()) continue;
    levels.push_back(level_row(level, found[level]));
    attacks.push_back(membership_row(std::string("similarity to the samples, ") + level,
                                     found[level].at("membership_by_similarity")));
  }
  for (const auto& [network, inference] : found.at("membership_by_denoising").items()) {
    attacks.push_back(membership_row("denoising loss of the " + network, inference));
  }
  add_table(chapter, "Memorisation", level_columns(), levels);
  add_table(chapter, "Membership inference",
            {"attack", "AUC", "found, %", "at false alarms, %", "members", "others"}, attacks);
  add_level_histogram(chapter, result / "privacy_histogram.csv",
                      "Largest re-ID similarity to a training video", found.at("frames"));
  add_level_histogram(chapter, result / "motion_histogram.csv", "Largest similarity of movement",
                      found.at("motion"));
  if (options.neighbours > 0) add_neighbours(chapter, result, asked, options.neighbours);
  return chapter;
}

Chapter filter_chapter(const fs::path& result) {
  const config::Json found = read_document(result / "filter.json");
  Chapter chapter = make_chapter("Privacy filter");
  config::Json facts = found;
  facts.erase("options");
  add_facts(chapter, "", facts);
  if (has(result, "privacy_histogram.csv")) {
    add_histogram(chapter, "Largest re-ID similarity to a training frame",
                  io::read_csv(result / "privacy_histogram.csv"),
                  {"tau", found.at("tau").get<double>()});
  }
  return chapter;
}

Chapter classification_chapter(const Source& result) {
  const config::Json found = read_document(result.path / "classification.json");
  const bool of_labels = found.value("auc_from", "scores") == "labels";
  const std::string auc = of_labels ? "AUC (hard labels)" : "AUC";
  Chapter chapter = make_chapter("Classification: " + result.name);
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
  config::Json pairs = config::Json::array();
  for (const config::Json& pair : found.at("comparisons")) {
    pairs.push_back({pair.at("arm"), pair.at("against"), pair.at("mcnemar").at("p"),
                     pair.at("delong").at("p"),
                     interval_text(pair.at("differences").at("accuracy")),
                     interval_text(pair.at("differences").at("auc"))});
  }
  if (!pairs.empty()) {
    add_table(chapter, "Paired tests",
              {"arm", "against", "McNemar p", "DeLong p", "difference of accuracy",
               "difference of " + auc},
              pairs);
  }
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

/// "128 frames of 16 videos of 16 patients" of a side's counts.
std::string count_text(const config::Json& count) {
  if (count.is_null()) return "";
  return count.at("items").dump() + " of " + count.at("videos").dump() + " videos, " +
         count.at("patients").dump() + " patients";
}

/// What a document of distribution metrics says of how they were computed, and of what: all but its
/// results. A member of a section has the section's name before its own.
config::Json settings_of(const config::Json& found) {
  config::Json settings = config::Json::object();
  for (const auto& [key, value] : found.items()) {
    if (key == "kind" || key == "detectors" || key == "warnings") continue;
    if (value.is_null() || value == "") continue;
    if (!value.is_object()) {
      settings[key] = value;
      continue;
    }
    for (const auto& [member, setting] : value.items()) settings[key + " " + member] = setting;
  }
  return settings;
}

/// What `echopath eval fid|fvd|is|generation` wrote. Each detector has a table of its own.
Chapter distribution_chapter(const fs::path& file) {
  const config::Json found = read_document(file);
  Chapter chapter = make_chapter("Distribution metrics: " + file.stem().string());
  for (const config::Json& warning : found.at("warnings"))
    add_warning(chapter, warning.get<std::string>());
  for (const config::Json& one : found.at("detectors")) {
    const config::Json& detector = one.at("detector");
    config::Json rows = config::Json::array();
    for (const config::Json& row : one.at("metrics")) {
      config::Json interval = "";
      if (row.contains("interval") && row["interval"][0].is_number()) {
        char text[64];
        std::snprintf(text, sizeof(text), "%.4g to %.4g", row["interval"][0].get<double>(),
                      row["interval"][1].get<double>());
        interval = text;
      }
      const config::Json name = row.at("class").is_null() ? "all" : row.at("class");
      rows.push_back({row.at("metric"), name, row.at("value"),
                      row.value("spread", config::Json("")),
                      row.value("corrected", config::Json("")), interval,
                      count_text(row.at("real")), count_text(row.at("synthetic"))});
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
  const config::Json settings = settings_of(found);
  if (!settings.empty()) add_facts(chapter, "How they were computed", settings);
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
    if (has(directory, name)) return true;
  }
  return !distribution_files(directory).empty();
}

std::vector<Chapter> result_chapters(const Source& result, const ReportOptions& options) {
  const fs::path& path = result.path;
  std::vector<Chapter> chapters;
  try {
    if (has(path, "tables.json")) chapters.push_back(tables_chapter(path));
    for (const fs::path& file : distribution_files(path)) {
      chapters.push_back(distribution_chapter(file));
    }
    if (has(path, "classification.json")) chapters.push_back(classification_chapter(result));
    if (has(path, "privacy.json")) chapters.push_back(privacy_chapter(path, options));
    if (has(path, "filter.json")) chapters.push_back(filter_chapter(path));
  } catch (const config::Json::exception& error) {
    throw DataError("'" + path.string() + "' holds results of another version; make them anew (" +
                    error.what() + ")");
  }
  return chapters;
}

}  // namespace echopath::evaluation
