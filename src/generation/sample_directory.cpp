#include "generation/sample_directory.hpp"

#include <algorithm>
#include <cstdio>

#include "echopath/core/errors.hpp"
#include "echopath/core/leftovers.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/generation/sample.hpp"
#include "generation/model_hashes.hpp"
#include "generation/output_formats.hpp"

namespace echopath::generation {
namespace {

constexpr const char* kPart = "manifest.part-";

/// What two legs of one run must agree on: all but how many videos, where files lie, how they are
/// batched, and what becomes of refused hearts.
config::Json essence(config::Json document) {
  if (document.contains("options") && document["options"].is_object()) {
    for (const char* key :
         {"model", "count", "heart", "batch", "deterministic", "max_redraws", "allow_unfiltered"}) {
      document["options"].erase(key);
    }
  }
  return document;
}

/// Options that the version that wrote the document did not have yet are at their defaults; its
/// blocks did not fade.
config::Json completed(config::Json document) {
  if (!document.contains("options") || !document["options"].is_object()) return document;
  SampleOptions defaults;
  defaults.seam_fade = 0;
  config::Json options = config::dump(config::visit_of(defaults));
  options.merge_patch(document["options"]);
  document["options"] = std::move(options);
  return document;
}

/// With the published order of labels a window may have the class of another video of the run.
bool has_published_labels(const config::Json& options) {
  return options.at("sampler") == "stitched" &&
         options.at("compatibility").at("stitch_labels") == "published";
}

bool is_run_document(const fs::path& path) {
  const config::Json json =
      config::Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  return json.is_object() && json.contains("options") && json.contains("weight_hashes");
}

/// Throws UsageError where a folder without a sampling run holds what a run would write over: a
/// dataset, latents, the config of another program's run, or its pages.
void require_nothing_to_lose(const fs::path& out) {
  std::error_code unknown;
  for (const std::string held :
       {"FileList.csv", "Videos", "Latents", "config.json", "index.html", "contact_sheet.png"}) {
    if (!fs::exists(out / held, unknown)) continue;
    // A run that was killed while it began may have left its config.json and nothing else.
    if (held == "config.json" && is_run_document(out / held)) continue;
    throw UsageError("--out '" + out.string() + "' holds " + held + " and no " + kManifest +
                     ": it is no sampling run's, and sampling would write over it; choose another "
                     "--out");
  }
}

/// The value of a key as a message shows it; of hashes the first digits.
std::string shown(const config::Json& object, const std::string& key) {
  if (!object.contains(key)) return "nothing";
  const std::string text = object.at(key).dump();
  constexpr std::size_t kHashInQuotes = 66;
  return text.size() == kHashInQuotes ? text.substr(0, 13) + "…\"" : text;
}

/// Adds "options.blocks is 4 there and 2 now" for every key in which two documents differ.
void find_differences(const config::Json& before, const config::Json& now,
                      const std::string& prefix, std::vector<std::string>& found) {
  std::set<std::string> keys;
  for (const config::Json* side : {&before, &now}) {
    for (const auto& item : side->items()) keys.insert(item.key());
  }
  for (const std::string& key : keys) {
    const bool in_both = before.contains(key) && now.contains(key);
    if (in_both && before.at(key) == now.at(key)) continue;
    if (in_both && before.at(key).is_object() && now.at(key).is_object()) {
      find_differences(before.at(key), now.at(key), prefix + key + ".", found);
      continue;
    }
    found.push_back(one_line(prefix + key) + " is " + shown(before, key) + " there and " +
                    shown(now, key) + " now");
  }
}

/// Throws UsageError where two legs of a run differ.
void require_same_document(const fs::path& directory, const config::Json& before,
                           const config::Json& now) {
  const std::string named = "'" + directory.string() + "' holds a run ";
  if (!before.contains(
          config::Json::json_pointer(std::string("/weight_hashes/") + kSettingsHash))) {
    throw UsageError(named +
                     "of an earlier version of echopath, which did not record every part of its "
                     "model; finish it with that version, or choose another --out");
  }
  std::vector<std::string> differences;
  find_differences(essence(completed(before)), essence(completed(now)), "", differences);
  if (differences.empty()) return;
  throw UsageError(named + "with other options (" + join(differences, ", ") +
                   "); resume it with its own, or choose another --out");
}

void remove_leftovers(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return;
  for (const auto& item : fs::directory_iterator(folder)) {
    if (!stem_of_leftover(item.path()).empty()) fs::remove_all(item.path());
  }
}

bool is_whole(const fs::path& directory, const ManifestEntry& entry) {
  std::error_code error;
  return fs::is_regular_file(directory / entry.file, error) &&
         std::all_of(entry.also.begin(), entry.also.end(),
                     [&](const std::string& file) { return fs::exists(directory / file, error); });
}

std::string lines_of(const std::vector<ManifestEntry>& entries) {
  std::string lines;
  for (const ManifestEntry& entry : entries) lines += entry.to_json().dump() + "\n";
  return lines;
}

}  // namespace

config::Json RunDocument::to_json() const {
  config::Json document = {{"options", options}, {"weight_hashes", weight_hashes}};
  if (!heart_hash.empty()) document["heart_sha256"] = heart_hash;
  return document;
}

std::string RunDocument::key() const {
  config::Json document = essence(to_json());
  config::Json& chosen = document["options"];
  for (const char* format : {"codec", "also"}) chosen.erase(format);
  if (!has_published_labels(chosen)) {
    for (const char* other_videos : {"seed", "classes"}) chosen.erase(other_videos);
  }
  return sha256_hex(document.dump());
}

SampleDirectory::SampleDirectory(std::filesystem::path path, const RunDocument& document,
                                 bool resume)
    : path_(std::move(path)) {
  const fs::path manifest = path_ / kManifest;
  std::error_code unknown;
  const bool holds_run = fs::exists(manifest, unknown);
  if (!holds_run) require_nothing_to_lose(path_);
  if (holds_run && !resume) {
    throw UsageError("'" + path_.string() +
                     "' already holds a sampling run; go on with it by --resume, or choose "
                     "another --out");
  }
  if (!holds_run && resume) {
    log_warning("--resume: '" + path_.string() + "' holds no sampling run (no " + kManifest +
                "); a new one starts there");
  }
  fs::create_directories(path_, unknown);  // where it cannot be made, writing says why
  if (fs::is_directory(path_, unknown)) lock_ = FolderLock(path_, "sampling");
  if (fs::exists(manifest, unknown)) load_run(document);
  write_file(path_ / "config.json", document.text());
  write_file(manifest, lines_of(entries_));
  for (const fs::path& part : parts()) fs::remove(part);
  manifest_ = std::make_unique<LineAppender>(manifest);
}

SampleDirectory::SampleDirectory(std::filesystem::path path, int rank) : path_(std::move(path)) {
  char number[16];
  std::snprintf(number, sizeof(number), "%04d", rank);
  manifest_ = std::make_unique<LineAppender>(path_ / (kPart + std::string(number) + ".jsonl"));
}

std::vector<std::filesystem::path> SampleDirectory::parts() const {
  std::vector<fs::path> found;
  for (const auto& item : fs::directory_iterator(path_)) {
    const std::string name = item.path().filename().string();
    if (name.starts_with(kPart) && name.ends_with(".jsonl")) found.push_back(item.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

void SampleDirectory::load_run(const RunDocument& document) {
  const fs::path config_path = path_ / "config.json";
  require_file(config_path, "config of the run to resume");
  require_same_document(path_, config::read_json(config_path.string()), document.to_json());
  insert(read_manifest(path_ / kManifest));
  for (const fs::path& part : parts()) insert(read_manifest(part));
  remove_leftovers(path_);
  for (const std::string& folder : output_folders()) remove_leftovers(path_ / folder);
}

void SampleDirectory::insert(std::vector<ManifestEntry> entries) {
  std::set<std::int64_t> known = indices();
  for (ManifestEntry& entry : entries) {
    if (!is_whole(path_, entry) || !known.insert(entry.index).second) continue;
    entries_.push_back(std::move(entry));
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
}

std::set<std::int64_t> SampleDirectory::indices() const {
  std::set<std::int64_t> found;
  for (const ManifestEntry& entry : entries_) found.insert(entry.index);
  return found;
}

void SampleDirectory::add(const ManifestEntry& entry) {
  manifest_->append(entry.to_json().dump());
  added_.push_back(entry);
  const auto place = std::upper_bound(
      entries_.begin(), entries_.end(), entry,
      [](const ManifestEntry& a, const ManifestEntry& b) { return a.index < b.index; });
  entries_.insert(place, entry);
}

std::string SampleDirectory::added_lines() const {
  return lines_of(added_);
}

std::vector<ManifestEntry> SampleDirectory::take_in(const std::vector<std::string>& added) {
  std::vector<ManifestEntry> taken;
  if (added.size() <= 1) return taken;
  for (std::size_t rank = 1; rank < added.size(); ++rank) {
    const std::vector<ManifestEntry> entries =
        parse_manifest(added[rank], "manifest of rank " + std::to_string(rank));
    insert(entries);
    taken.insert(taken.end(), entries.begin(), entries.end());
  }
  manifest_.reset();
  write_file(path_ / kManifest, lines_of(entries_));
  for (const fs::path& part : parts()) fs::remove(part);
  return taken;
}

}  // namespace echopath::generation
