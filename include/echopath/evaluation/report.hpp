#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace echopath::evaluation {

/// What `echopath report` does.
struct ReportOptions {
  std::string directory;              ///< run, sample or evaluation directory, or a folder of them
  std::vector<std::string> with;      ///< run, sample and evaluation directories that lie elsewhere
  std::string out;                    ///< page to write; empty: report.html in `directory`
  std::int64_t videos_per_class = 4;  ///< of each sample directory
  std::int64_t neighbours = 12;       ///< samples shown beside their nearest training video
};

struct ReportSummary {
  std::filesystem::path page;
  std::vector<std::string> chapters;  ///< titles
  std::uintmax_t bytes = 0;
};

/// Writes one HTML page that needs nothing else: no network, no file beside it. What it shows
/// depends on what the directory, and each of `with`, holds:
/// - a training run (metrics.jsonl): curves, configuration, hashes of the newest checkpoint;
/// - samples (manifest.jsonl): videos by class, how they were made, hashes;
/// - results of evaluations (privacy.json, filter.json, classification.json, tables in *.csv beside
///   a tables.json, distribution metrics in any *.json), in the directory and in folders in it;
/// - several runs or sample directories (of `directory` alone): a comparison of them, with the
///   options that differ, configurations, hashes, and the results in folders in them.
/// A directory that is named twice is shown once. Directories of one name are told apart by those
/// that they lie in, chapters of one title by their directories. Throws DataError where there is
/// nothing of this, and where one of `with` is neither run nor samples nor results.
ReportSummary write_report(const ReportOptions& options);

}  // namespace echopath::evaluation
