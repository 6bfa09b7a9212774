#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "echopath/core/files.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/training/checkpoint.hpp"
#include "evaluation/report_chapters.hpp"

namespace echopath::evaluation {
namespace {

/// Points of a curve that a page need not exceed.
constexpr std::size_t kMostPoints = 1000;

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

void add_configuration(Chapter& chapter, const fs::path& directory) {
  if (!has_file(directory, "config.json")) return;
  add_details(chapter, "configuration", read_file(directory / "config.json"));
}

Chapter compared_runs(const std::vector<Source>& runs) {
  std::map<std::string, config::Json> curves;
  config::Json rows = config::Json::array();
  for (const Source& run : runs) {
    const auto validation = read_metrics(run.path, "validation");
    for (const std::string& figure : figures_of(validation)) {
      if (figure.find('/') != std::string::npos) continue;
      curves[figure].push_back({{"name", run.name}, {"points", points_of(validation, figure)}});
    }
    const config::Json last = last_figures(validation);
    rows.push_back({run.name, last.value("step", config::Json(nullptr)), last.dump()});
  }
  Chapter chapter = make_chapter("Runs compared");
  for (const auto& [figure, series] : curves) add_lines(chapter, figure, "step", series);
  add_table(chapter, "Last validations", {"run", "step", "figures"}, rows);
  add_settings(chapter, runs);
  return chapter;
}

/// A sample directory and its manifest, which has lines.
struct Sampling {
  Source source;
  std::vector<generation::ManifestEntry> entries;
};

Chapter compared_samples(const std::vector<Sampling>& samplings) {
  std::vector<std::string> columns;
  config::Json rows = config::Json::array();
  std::vector<Source> sources;
  for (const auto& [source, entries] : samplings) {
    columns = {"samples"};
    config::Json row = config::Json::array({source.name});
    const config::Json facts = facts_of(entries);
    for (const auto& [key, value] : facts.items()) {
      columns.push_back(key);
      row.push_back(value);
    }
    rows.push_back(row);
    sources.push_back(source);
  }
  Chapter chapter = make_chapter("Samples compared");
  add_table(chapter, "", columns, rows);
  add_settings(chapter, sources);
  return chapter;
}

Chapter compared_videos(const std::vector<Sampling>& samplings) {
  Chapter chapter = make_chapter("One video of each class");
  for (const auto& [source, entries] : samplings) {
    std::map<std::string, config::Json> first;
    for (const auto& entry : entries) {
      if (!first.contains(entry.class_name)) {
        first[entry.class_name] = video_item(source.path, entry);
      }
    }
    config::Json items = config::Json::array();
    for (const auto& [class_name, item] : first) items.push_back(item);
    add_section(chapter, {{"type", "gallery"}, {"title", source.name}, {"items", items}});
  }
  return chapter;
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

std::vector<Chapter> run_chapters(const Source& run) {
  const std::vector<config::Json> training = read_metrics(run.path, "training");
  const std::vector<config::Json> validation = read_metrics(run.path, "validation");
  Chapter curves = make_chapter("Training of " + run.name);
  if (training.empty() && validation.empty()) add_note(curves, "No step has been logged yet.");
  add_curves(curves, training, validation);
  config::Json facts = last_figures(validation);
  facts["median seconds a step"] = median_of(training, "step_seconds");
  facts["median samples a second"] = median_of(training, "samples_per_second");
  add_facts(curves, "Last validation", facts);
  if (const auto newest = training::newest_checkpoint_hashes(run.path)) {
    add_facts(curves, "SHA-256 of the checkpoint of step " + std::to_string(newest->step),
              newest->sha256);
  }
  add_configuration(curves, run.path);
  return {curves};
}

std::vector<Chapter> sample_chapters(const Source& samples, const ReportOptions& options) {
  const auto entries = generation::read_manifest(samples.path / generation::kManifest);
  Chapter made = make_chapter("How " + samples.name + " was made");
  if (entries.empty()) {
    add_note(made, "No video has been made yet.");
    return {made};
  }
  add_facts(made, "", facts_of(entries));
  add_facts(made, "SHA-256 of the weights", entries.front().weight_hashes);
  add_configuration(made, samples.path);
  Chapter videos = make_chapter("Sampled videos of " + samples.name);
  add_note(videos, "Synthetic echocardiograms; no patient. The first of each class.");
  std::map<std::string, std::vector<generation::ManifestEntry>> by_class;
  for (const auto& entry : entries) by_class[entry.class_name].push_back(entry);
  for (const auto& [name, of_class] : by_class) {
    config::Json items = config::Json::array();
    for (const auto& entry : of_class) {
      if (static_cast<std::int64_t>(items.size()) == options.videos_per_class) break;
      items.push_back(video_item(samples.path, entry));
    }
    add_section(videos, {{"type", "gallery"},
                         {"title", name + " (" + std::to_string(of_class.size()) + " videos)"},
                         {"items", items}});
  }
  return {videos, made};
}

std::vector<Chapter> comparison_chapters(const std::vector<Source>& sources,
                                         const ReportOptions& options) {
  std::vector<Source> runs;
  std::vector<Sampling> samplings;
  for (const Source& source : sources) {
    if (is_run(source.path)) {
      runs.push_back(source);
    } else if (is_samples(source.path)) {
      auto entries = generation::read_manifest(source.path / generation::kManifest);
      if (!entries.empty()) samplings.push_back({source, std::move(entries)});
    }
  }
  std::vector<Chapter> chapters;
  if (!runs.empty()) chapters.push_back(compared_runs(runs));
  if (!samplings.empty()) {
    chapters.push_back(compared_samples(samplings));
    if (options.videos_per_class > 0) chapters.push_back(compared_videos(samplings));
  }
  return chapters;
}

}  // namespace echopath::evaluation
