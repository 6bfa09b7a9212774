#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace echopath::evaluation {

/// What `echopath report` does.
struct ReportOptions {
  std::string directory;          ///< run, sample or evaluation directory, or a folder of them
  std::vector<std::string> with;  ///< evaluation directories that lie elsewhere
  std::string out;                ///< page to write; empty: report.html in `directory`
  std::int64_t videos_per_class = 4;
  std::int64_t neighbours = 12;  ///< samples shown beside their nearest training video
};

struct ReportSummary {
  std::filesystem::path page;
  std::vector<std::string> chapters;  ///< titles
  std::uintmax_t bytes = 0;
};

/// Writes one HTML page that needs nothing else: no network, no file beside it. What it shows
/// depends on what the directory holds:
/// - a training run (metrics.jsonl): curves, configuration;
/// - samples (manifest.jsonl): videos by class, how they were made, hashes;
/// - results of evaluations (privacy.json, filter.json, classification.json, tables in *.csv beside
///   a tables.json, distribution metrics in any *.json), in the directory, in folders in it, or in
///   `with`;
/// - a folder of several runs or sample directories: a comparison of them.
/// Throws DataError where there is nothing of this.
ReportSummary write_report(const ReportOptions& options);

}  // namespace echopath::evaluation
