#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "echopath/core/files.hpp"
#include "echopath/generation/manifest.hpp"
#include "evaluation/report_chapters.hpp"

namespace echopath::evaluation {
namespace {

/// Points of a curve that a page need not exceed.
constexpr std::size_t kMostPoints = 1000;

bool has_file(const fs::path& directory, const char* name) {
  std::error_code unknown;
  return fs::is_regular_file(directory / name, unknown);
}

/// Names of the figures in rows that can be drawn, in the order in which they come.
std::vector<std::string> figures_of(const std::vector<config::Json>& rows) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const config::Json& row : rows) {
    for (const auto& [name, value] : row.items()) {
      if (name == "step" || !value.is_number() || !seen.insert(name).second) continue;
      names.push_back(name);
    }
  }
  return names;
}

bool is_resource(const std::string& figure) {
  static const std::set<std::string> names = {"step_seconds",    "data_wait_seconds",
                                              "data_wait_share", "samples_per_second",
                                              "resident_bytes",  "device_bytes"};
  return names.contains(figure);
}

void add_curves(Chapter& chapter, const std::vector<config::Json>& training,
                const std::vector<config::Json>& validation) {
  const std::vector<std::string> held_out = figures_of(validation);
  config::Json levels = config::Json::array();
  for (const std::string& name : held_out) {
    const config::Json series = {{"name", name}, {"points", points_of(validation, name)}};
    if (name.find('/') != std::string::npos) {
      levels.push_back(series);
      continue;
    }
    config::Json both = config::Json::array({series});
    const std::string trained = name.starts_with("val_") ? name.substr(4) : name;
    const config::Json points = points_of(training, trained);
    if (!points.empty()) both.push_back({{"name", trained + " (training)"}, {"points", points}});
    add_lines(chapter, name, "step", both);
  }
  if (!levels.empty()) add_lines(chapter, "held-out loss by noise level", "step", levels);
  for (const std::string& name : figures_of(training)) {
    const bool shown = std::find(held_out.begin(), held_out.end(), "val_" + name) != held_out.end();
    if (shown || is_resource(name)) continue;
    const config::Json curve = {{"name", name}, {"points", points_of(training, name)}};
    add_lines(chapter, name, "step", config::Json::array({curve}));
  }
}

/// The last value of each figure.
config::Json last_figures(const std::vector<config::Json>& rows) {
  config::Json figures = config::Json::object();
  for (const config::Json& row : rows) {
    for (const auto& [name, value] : row.items()) {
      if (name != "kind") figures[name] = value;
    }
  }
  return figures;
}

config::Json median_of(const std::vector<config::Json>& rows, const char* figure) {
  std::vector<double> values;
  for (const config::Json& row : rows) {
    if (row.contains(figure) && row[figure].is_number())
      values.push_back(row[figure].get<double>());
  }
  if (values.empty()) return nullptr;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// How long a video is and how it was made, the most frequent of each.
config::Json facts_of(const std::vector<generation::ManifestEntry>& entries) {
  const generation::ManifestEntry& first = entries.front();
  std::int64_t redraws = 0, unfiltered = 0;
  for (const auto& entry : entries) {
    redraws += entry.redraws;
    unfiltered += entry.filtered ? 0 : 1;
  }
  return {{"videos", entries.size()},
          {"guidance scale w", first.guidance_scale},
          {"sampler", first.sampler},
          {"solver", first.solver},
          {"steps", first.steps},
          {"blocks", first.blocks},
          {"frames", first.frames},
          {"size", std::to_string(first.width) + "x" + std::to_string(first.height)},
          {"frames a second", first.fps},
          {"heart frames refused by the privacy gate", redraws},
          {"videos whose heart frame did not pass it", unfiltered}};
}

config::Json video_item(const fs::path& samples, const generation::ManifestEntry& entry) {
  std::string caption = entry.class_name + ", seed " + std::to_string(entry.seed) + ", w " +
                        config::Json(entry.guidance_scale).dump();
  if (!entry.filtered) caption += ", did not pass the privacy gate";
  return {{"video", video_address(samples / entry.file)}, {"caption", caption}};
}

}  // namespace

bool is_run(const fs::path& directory) {
  return has_file(directory, "metrics.jsonl");
}

bool is_samples(const fs::path& directory) {
  return has_file(directory, generation::kManifest);
}

std::vector<config::Json> read_metrics(const fs::path& run, const std::string& kind) {
  std::vector<config::Json> rows;
  std::istringstream text(read_file(run / "metrics.jsonl"));
  std::string line;
  while (std::getline(text, line)) {
    config::Json row = config::Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (row.is_object() && row.value("kind", "") == kind) rows.push_back(std::move(row));
  }
  return rows;
}

config::Json points_of(const std::vector<config::Json>& rows, const std::string& figure) {
  std::vector<config::Json> points;
  for (const config::Json& row : rows) {
    if (!row.contains(figure) || !row[figure].is_number() || !row.contains("step")) continue;
    points.push_back({row["step"], row[figure]});
  }
  if (points.size() <= kMostPoints) return points;
  config::Json thinned = config::Json::array();
  for (std::size_t i = 0; i < kMostPoints; ++i) {
    thinned.push_back(points[i * (points.size() - 1) / (kMostPoints - 1)]);
  }
  return thinned;
}

std::vector<Chapter> run_chapters(const fs::path& run) {
  const std::vector<config::Json> training = read_metrics(run, "training");
  const std::vector<config::Json> validation = read_metrics(run, "validation");
  Chapter curves = make_chapter("Training of " + run.filename().string());
  if (training.empty() && validation.empty()) add_note(curves, "No step has been logged yet.");
  add_curves(curves, training, validation);
  config::Json facts = last_figures(validation);
  facts["median seconds a step"] = median_of(training, "step_seconds");
  facts["median samples a second"] = median_of(training, "samples_per_second");
  add_facts(curves, "Last validation", facts);
  if (has_file(run, "config.json")) {
    add_details(curves, "configuration", read_file(run / "config.json"));
  }
  return {curves};
}

std::vector<Chapter> sample_chapters(const fs::path& samples, const ReportOptions& options) {
  const auto entries = generation::read_manifest(samples / generation::kManifest);
  Chapter made = make_chapter("How " + samples.filename().string() + " was made");
  if (entries.empty()) {
    add_note(made, "No video has been made yet.");
    return {made};
  }
  add_facts(made, "", facts_of(entries));
  add_facts(made, "SHA-256 of the weights", entries.front().weight_hashes);
  if (has_file(samples, "config.json")) {
    add_details(made, "configuration", read_file(samples / "config.json"));
  }
  Chapter videos = make_chapter("Sampled videos");
  add_note(videos, "Synthetic echocardiograms; no patient. The first of each class.");
  std::map<std::string, std::vector<generation::ManifestEntry>> by_class;
  for (const auto& entry : entries) by_class[entry.class_name].push_back(entry);
  for (const auto& [name, of_class] : by_class) {
    config::Json items = config::Json::array();
    for (const auto& entry : of_class) {
      if (static_cast<std::int64_t>(items.size()) == options.videos_per_class) break;
      items.push_back(video_item(samples, entry));
    }
    add_section(videos, {{"type", "gallery"},
                         {"title", name + " (" + std::to_string(of_class.size()) + " videos)"},
                         {"items", items}});
  }
  return {videos, made};
}

std::vector<Chapter> comparison_chapters(const std::vector<fs::path>& directories,
                                         const ReportOptions& options) {
  std::vector<Chapter> chapters;
  std::map<std::string, config::Json> curves;
  config::Json runs = config::Json::array(), samples = config::Json::array();
  std::vector<std::string> columns;
  Chapter videos = make_chapter("One video of each class");
  for (const fs::path& directory : directories) {
    const std::string name = directory.filename().string();
    if (is_run(directory)) {
      const auto validation = read_metrics(directory, "validation");
      for (const std::string& figure : figures_of(validation)) {
        if (figure.find('/') != std::string::npos) continue;
        curves[figure].push_back({{"name", name}, {"points", points_of(validation, figure)}});
      }
      const config::Json last = last_figures(validation);
      runs.push_back({name, last.value("step", config::Json(nullptr)), last.dump()});
    } else if (is_samples(directory)) {
      const auto entries = generation::read_manifest(directory / generation::kManifest);
      if (entries.empty()) continue;
      const config::Json facts = facts_of(entries);
      config::Json row = config::Json::array({name});
      columns = {"samples"};
      for (const auto& [key, value] : facts.items()) {
        columns.push_back(key);
        row.push_back(value);
      }
      samples.push_back(row);
      std::map<std::string, config::Json> first;
      for (const auto& entry : entries) {
        if (!first.contains(entry.class_name)) {
          first[entry.class_name] = video_item(directory, entry);
        }
      }
      config::Json items = config::Json::array();
      for (const auto& [class_name, item] : first) items.push_back(item);
      if (options.videos_per_class > 0) {
        add_section(videos, {{"type", "gallery"}, {"title", name}, {"items", items}});
      }
    }
  }
  if (!runs.empty()) {
    Chapter chapter = make_chapter("Runs compared");
    for (const auto& [figure, series] : curves) add_lines(chapter, figure, "step", series);
    add_table(chapter, "Last validations", {"run", "step", "figures"}, runs);
    chapters.push_back(chapter);
  }
  if (!samples.empty()) {
    Chapter chapter = make_chapter("Samples compared");
    add_table(chapter, "", columns, samples);
    chapters.push_back(chapter);
    chapters.push_back(videos);
  }
  return chapters;
}

}  // namespace echopath::evaluation
