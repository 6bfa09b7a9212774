#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/folder_lock.hpp"
#include "echopath/generation/manifest.hpp"

namespace echopath::generation {

/// What a run is: config.json.
struct RunDocument {
  config::Json options;
  std::map<std::string, std::string> weight_hashes;  ///< model_hashes()
  std::string heart_hash;  ///< SHA-256 of the file that gives the heart frame; empty: none

  config::Json to_json() const;
  std::string text() const { return to_json().dump(2) + "\n"; }
  /// Hash of what decides, with its class and seed, what a video of the run shows.
  std::string key() const;
};

/// The sample directory of one run: config.json, Videos/, and the manifest that grows line by line.
/// Of several processes rank 0 writes the manifest itself and the others parts of it beside it
/// (manifest.part-0001.jsonl), which rank 0 takes in at the end, or when the run is resumed.
class SampleDirectory {
 public:
  /// Rank 0: starts a run, or with `resume` goes on with the one there. A half-written last line,
  /// lines whose files are gone, and temporary files of a killed process are cleared away first,
  /// parts of the manifest taken in. Warns where there is no run to go on with. Throws UsageError
  /// where the folder holds another run (or, without `resume`, any run), one of an earlier version,
  /// or files of others that a run would write over, and where another program works in it.
  SampleDirectory(std::filesystem::path path, const RunDocument& document, bool resume);
  /// Another rank: joins the run that rank 0 has prepared, and knows nothing of its videos.
  SampleDirectory(std::filesystem::path path, int rank);

  const std::filesystem::path& path() const { return path_; }
  /// The videos that are done, in the order of the plan; on other ranks than 0 its own alone.
  const std::vector<ManifestEntry>& entries() const { return entries_; }
  std::set<std::int64_t> indices() const;
  /// Records a finished video; it is on disk when this returns.
  void add(const ManifestEntry& entry);

  /// Lines of the manifest for the entries that this process added.
  std::string added_lines() const;
  /// Rank 0: the manifest gets the lines that the others added, and their parts go. Returns these
  /// videos.
  std::vector<ManifestEntry> take_in(const std::vector<std::string>& added);

 private:
  void load_run(const RunDocument& document);
  void insert(std::vector<ManifestEntry> entries);
  std::vector<std::filesystem::path> parts() const;

  std::filesystem::path path_;
  std::vector<ManifestEntry> entries_;
  std::vector<ManifestEntry> added_;
  std::unique_ptr<LineAppender> manifest_;
  FolderLock lock_;  ///< on rank 0
};

}  // namespace echopath::generation
