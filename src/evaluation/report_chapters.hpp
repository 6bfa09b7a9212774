#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "echopath/evaluation/report.hpp"
#include "evaluation/report_page.hpp"

namespace echopath::evaluation {

/// What a directory holds.
bool is_run(const std::filesystem::path& directory);      ///< metrics.jsonl
bool is_samples(const std::filesystem::path& directory);  ///< manifest.jsonl
bool is_result(const std::filesystem::path& directory);   ///< of an evaluation

/// Rows of a run's metrics.jsonl of one kind: training or validation. A last line that was cut off
/// is left out.
std::vector<config::Json> read_metrics(const std::filesystem::path& run, const std::string& kind);
/// [[step, value], …] of one figure.
config::Json points_of(const std::vector<config::Json>& rows, const std::string& figure);

std::vector<Chapter> run_chapters(const std::filesystem::path& run);
std::vector<Chapter> sample_chapters(const std::filesystem::path& samples,
                                     const ReportOptions& options);
std::vector<Chapter> result_chapters(const std::filesystem::path& result,
                                     const ReportOptions& options);
std::vector<Chapter> comparison_chapters(const std::vector<std::filesystem::path>& directories,
                                         const ReportOptions& options);

}  // namespace echopath::evaluation
