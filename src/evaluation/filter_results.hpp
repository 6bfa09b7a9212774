#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "echopath/evaluation/latent_reader.hpp"

namespace echopath::evaluation {

/// Throws UsageError where `out` holds something, and no list of what the filter wrote there.
void require_filter_folder(const std::filesystem::path& out);

/// Removes what earlier runs of the filter wrote into `out`, finished or not, and nothing else;
/// then lists there what this one is going to write. The list comes before the files that it names,
/// so that a run that is stopped halfway leaves a folder that the next one can clear. `files` are
/// relative to `out` and removed in their order, so that the first one should be that by which a
/// finished run is known. Throws DataError where a file cannot be removed, or the list in `out`
/// names one outside of it.
void start_filter_results(const std::filesystem::path& out, const std::vector<std::string>& files);

/// What `filter --copy` writes: the kept files of what was judged with their FileList.csv, and, of
/// a sample directory, what makes the copy one too.
class KeptCopy {
 public:
  /// Throws DataError where the manifest or the config of a sample directory cannot be read.
  KeptCopy(const LatentReader& synthetic, std::vector<data::Study> kept);

  /// Relative to the folder that they go to.
  std::vector<std::string> files() const;
  /// Throws DataError naming the file that cannot be copied.
  void write(const std::filesystem::path& out) const;

 private:
  void add_samples(const LatentReader& synthetic, const std::string& judged);

  std::vector<data::Study> kept_;
  std::map<std::string, std::filesystem::path> sources_;  ///< of each file that is copied
  std::map<std::string, std::string> texts_;              ///< of each file that is written anew
};

}  // namespace echopath::evaluation
