#include "evaluation/filter_results.hpp"

#include <algorithm>
#include <set>
#include <system_error>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/leftovers.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/io/csv.hpp"

namespace echopath::evaluation {
namespace {

/// Lists what a run writes, in one column; it is replaced and never removed, so that a folder that
/// the filter has written into can be told from any other.
constexpr const char* kList = "filter_files.csv";
constexpr const char* kFileList = "FileList.csv";

std::string stem_of(const std::string& file) {
  return fs::path(file).stem().string();
}

std::vector<std::string> listed_files(const fs::path& list) {
  std::vector<std::string> files;
  for (const std::vector<std::string>& row : io::read_csv(list).rows) {
    const fs::path file = row.front();
    if (file.is_absolute() || std::find(file.begin(), file.end(), "..") != file.end()) {
      throw DataError("'" + list.string() + "' names '" + row.front() +
                      "', which lies outside of the folder; choose another --out");
    }
    files.push_back(row.front());
  }
  return files;
}

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  if (!error) return;
  throw DataError("'" + path.string() + "' of an earlier run of the filter cannot be removed: " +
                  error.message() + "; remove it, or choose another --out");
}

/// Removes what a killed run has left of these files under temporary names.
void remove_leftovers(const fs::path& out, const std::vector<std::string>& files) {
  std::map<fs::path, std::set<std::string>> stems = {{out, {stem_of(kList)}}};  // by folder
  for (const std::string& file : files) {
    stems[(out / file).parent_path()].insert(stem_of(file));
  }
  for (const auto& [folder, known] : stems) {
    if (!fs::is_directory(folder)) continue;
    std::vector<fs::path> leftovers;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (known.contains(stem_of_leftover(entry.path()))) leftovers.push_back(entry.path());
    }
    for (const fs::path& leftover : leftovers) remove_file(leftover);
  }
}

void copy_atomically(const fs::path& source, const fs::path& target) {
  AtomicFile file(target);
  std::error_code error;
  fs::copy_file(source, file.temporary_path(), fs::copy_options::overwrite_existing, error);
  if (error) throw DataError("'" + source.string() + "' cannot be copied: " + error.message());
  file.commit();
}

}  // namespace

void require_filter_folder(const fs::path& out) {
  if (!fs::exists(out) || fs::exists(out / kList)) return;
  const auto of_the_list = [](const fs::directory_entry& entry) {
    return stem_of_leftover(entry.path()) == stem_of(kList);
  };
  if (fs::is_directory(out) &&
      std::all_of(fs::directory_iterator(out), fs::directory_iterator(), of_the_list)) {
    return;
  }
  throw UsageError("--out '" + out.string() +
                   "' holds something that the filter did not write; choose another --out");
}

void start_filter_results(const fs::path& out, const std::vector<std::string>& files) {
  const fs::path list = out / kList;
  const std::vector<std::string> earlier =
      fs::exists(list) ? listed_files(list) : std::vector<std::string>();
  for (const std::string& file : earlier) remove_file(out / file);
  remove_leftovers(out, earlier);
  for (const std::string& file : earlier) {
    const fs::path folder = fs::path(file).parent_path();
    std::error_code holds_more;
    if (!folder.empty()) fs::remove(out / folder, holds_more);
  }
  io::CsvTable table;
  table.columns = {"File"};
  for (const std::string& file : files) table.rows.push_back({file});
  io::write_csv(list, table);
}

KeptCopy::KeptCopy(const LatentReader& synthetic, std::vector<data::Study> kept)
    : kept_(std::move(kept)) {
  const std::string judged = synthetic.holds_latents() ? "Latents" : "Videos";
  for (const data::Study& study : kept_) {
    const fs::path source = synthetic.path_of(study);
    sources_[judged + "/" + source.filename().string()] = source;
  }
  add_samples(synthetic, judged);
}

void KeptCopy::add_samples(const LatentReader& synthetic, const std::string& judged) {
  const fs::path& from = synthetic.directory();
  if (!fs::is_regular_file(from / generation::kManifest)) return;
  std::set<std::string> names;
  for (const data::Study& study : kept_) names.insert(study.stem());
  std::string lines;
  for (generation::ManifestEntry& entry : generation::read_manifest(from / generation::kManifest)) {
    const fs::path video = entry.file;
    if (!names.contains(video.stem().string()) || video.parent_path() != "Videos" ||
        !fs::is_regular_file(from / video)) {
      continue;
    }
    if (synthetic.holds_latents()) sources_[video.string()] = from / video;
    std::erase_if(entry.also,
                  [&](const std::string& file) { return fs::path(file).parent_path() != judged; });
    lines += entry.to_json().dump() + "\n";
  }
  texts_[generation::kManifest] = lines;
  if (!fs::is_regular_file(from / "config.json")) return;
  config::Json document = config::read_json((from / "config.json").string());
  if (!document.is_object()) {
    throw DataError("'" + (from / "config.json").string() +
                    "' is not the config of a sampling run, which is an object; remove it");
  }
  document["filtered_from"] = from.string();
  texts_["config.json"] = document.dump(2) + "\n";
}

std::vector<std::string> KeptCopy::files() const {
  std::vector<std::string> files = {kFileList};
  for (const auto& [file, source] : sources_) files.push_back(file);
  for (const auto& [file, text] : texts_) files.push_back(file);
  return files;
}

void KeptCopy::write(const fs::path& out) const {
  for (const auto& [file, source] : sources_) copy_atomically(source, out / file);
  data::write_file_list(out / kFileList, kept_);
  for (const auto& [file, text] : texts_) write_file(out / file, text);
}

}  // namespace echopath::evaluation
