#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/core/files.hpp"
#include "echopath/generation/manifest.hpp"

namespace echopath::generation {

/// The sample directory of one run: config.json, Videos/, and the manifest that grows line by line.
class SampleDirectory {
 public:
  /// Starts a run, or with `resume` goes on with the one there. A half-written last line, lines
  /// whose video is gone, and temporary files of a killed process are cleared away first.
  /// Throws UsageError where the folder holds another run (or, without `resume`, any run).
  SampleDirectory(std::filesystem::path path, const config::Json& options,
                  const std::map<std::string, std::string>& weight_hashes, bool resume);

  const std::filesystem::path& path() const { return path_; }
  /// The videos that are done, in the order of the plan.
  const std::vector<ManifestEntry>& entries() const { return entries_; }
  /// Records a finished video; it is on disk when this returns.
  void add(const ManifestEntry& entry);

 private:
  void load_run(const config::Json& document);

  std::filesystem::path path_;
  std::vector<ManifestEntry> entries_;
  std::unique_ptr<LineAppender> manifest_;
};

}  // namespace echopath::generation
