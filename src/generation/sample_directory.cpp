#include "generation/sample_directory.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"

namespace echopath::generation {
namespace {

/// What two legs of one run must agree on: all but how many videos, where the model lies, and what
/// becomes of refused hearts.
config::Json essence(config::Json document) {
  if (document.contains("options") && document["options"].is_object()) {
    for (const char* key : {"model", "count", "max_redraws", "allow_unfiltered"}) {
      document["options"].erase(key);
    }
  }
  return document;
}

void remove_leftovers(const fs::path& videos) {
  if (!fs::is_directory(videos)) return;
  for (const auto& item : fs::directory_iterator(videos)) {
    const std::string name = item.path().filename().string();
    if (name.starts_with(".") && name.find(".tmp-") != std::string::npos) fs::remove(item.path());
  }
}

void sort_by_plan(std::vector<ManifestEntry>& entries) {
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
}

}  // namespace

SampleDirectory::SampleDirectory(std::filesystem::path path, const config::Json& options,
                                 const std::map<std::string, std::string>& weight_hashes,
                                 bool resume)
    : path_(std::move(path)) {
  const config::Json document = {{"options", options}, {"weight_hashes", weight_hashes}};
  const fs::path manifest = path_ / "manifest.jsonl";
  if (fs::exists(manifest)) {
    if (!resume) {
      throw UsageError("'" + path_.string() +
                       "' already holds a sampling run; go on with it by --resume, or choose "
                       "another --out");
    }
    load_run(document);
  }
  write_file(path_ / "config.json", document.dump(2) + "\n");
  std::string lines;
  for (const ManifestEntry& entry : entries_) lines += entry.to_json().dump() + "\n";
  write_file(manifest, lines);
  manifest_ = std::make_unique<LineAppender>(manifest);
}

void SampleDirectory::load_run(const config::Json& document) {
  const fs::path config_path = path_ / "config.json";
  require_file(config_path, "config of the run to resume");
  const config::Json before = config::read_json(config_path.string());
  const config::Json change = config::Json::diff(essence(before), essence(document));
  if (!change.empty()) {
    throw UsageError("'" + path_.string() + "' holds a run with other options (" +
                     change[0].at("path").get<std::string>() +
                     " differs); resume it with its own, or choose another --out");
  }
  for (ManifestEntry& entry : read_manifest(path_ / "manifest.jsonl")) {
    if (fs::is_regular_file(path_ / entry.file)) entries_.push_back(std::move(entry));
  }
  sort_by_plan(entries_);
  remove_leftovers(path_ / "Videos");
}

void SampleDirectory::add(const ManifestEntry& entry) {
  manifest_->append(entry.to_json().dump());
  entries_.push_back(entry);
  sort_by_plan(entries_);
}

}  // namespace echopath::generation
