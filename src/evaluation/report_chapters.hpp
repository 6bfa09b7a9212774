#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "echopath/evaluation/report.hpp"
#include "evaluation/report_page.hpp"

namespace echopath::evaluation {

/// A directory that a page shows, and what it is called there.
struct Source {
  std::filesystem::path path;
  std::string name;  ///< of no other source of the page
};

/// What a directory holds.
bool is_run(const std::filesystem::path& directory);      ///< metrics.jsonl
bool is_samples(const std::filesystem::path& directory);  ///< manifest.jsonl
bool is_result(const std::filesystem::path& directory);   ///< of an evaluation

bool has_file(const std::filesystem::path& directory, const char* name);
/// A JSON document of an evaluation. Throws DataError where it cannot be read.
config::Json read_document(const std::filesystem::path& path);
/// "0.123 ± 0.01 (0.1 to 0.15)" of {estimate, sd, low, high}, as far as they are numbers, times
/// `scale`: 100 for percent; "(no interval)" where `low` is null.
std::string interval_text(const config::Json& interval, double scale = 1.0);
/// The member `warnings` of a document, which older ones lack.
void add_warnings(Chapter& chapter, const config::Json& document);
/// Whether a member of a document tells what its results depend on: options, seed, SHA-256.
bool is_provenance(const std::string& member);
/// These members, folded away.
void add_provenance(Chapter& chapter, const config::Json& document);

/// Rows of a run's metrics.jsonl of one kind: training or validation. A last line that was cut off
/// is left out.
std::vector<config::Json> read_metrics(const std::filesystem::path& run, const std::string& kind);
/// [[step, value], …] of one figure.
config::Json points_of(const std::vector<config::Json>& rows, const std::string& figure);

std::vector<Chapter> run_chapters(const Source& run);
/// At most `options.videos_per_class` videos of each class.
std::vector<Chapter> sample_chapters(const Source& samples, const ReportOptions& options);
/// Of `echopath eval privacy` and of `echopath filter`.
Chapter privacy_chapter(const std::filesystem::path& result, const ReportOptions& options);
Chapter filter_chapter(const std::filesystem::path& result);
/// Of all evaluations in a directory; the title of a chapter need not name it.
std::vector<Chapter> result_chapters(const Source& result, const ReportOptions& options);
/// Runs and sample directories beside each other, without the results of evaluations in them.
std::vector<Chapter> comparison_chapters(const std::vector<Source>& sources,
                                         const ReportOptions& options);

/// Of runs or of sample directories: a table of the options that are not the same in all of them,
/// and of each one its configuration and hashes, folded away.
void add_settings(Chapter& chapter, const std::vector<Source>& sources);

}  // namespace echopath::evaluation
