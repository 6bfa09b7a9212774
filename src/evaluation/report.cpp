#include "echopath/evaluation/report.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "evaluation/report_chapters.hpp"

namespace echopath::evaluation {
namespace {

/// Folders in a folder, sorted, hidden ones left out.
std::vector<fs::path> folders_in(const fs::path& directory) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.is_directory() && entry.path().filename().string().front() != '.') {
      folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// A path whose last part is its name, also where it ends in a slash or is ".".
fs::path named(const fs::path& directory) {
  const fs::path whole = fs::absolute(directory).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

void append(std::vector<Chapter>& chapters, std::vector<Chapter> more) {
  std::move(more.begin(), more.end(), std::back_inserter(chapters));
}

std::vector<Chapter> chapters_of(const fs::path& directory, const ReportOptions& options) {
  std::vector<Chapter> chapters;
  const std::vector<fs::path> folders = folders_in(directory);
  if (is_samples(directory)) append(chapters, sample_chapters(directory, options));
  if (is_result(directory)) append(chapters, result_chapters(directory, options));
  if (is_run(directory)) append(chapters, run_chapters(directory));
  if (!is_samples(directory) && !is_run(directory)) {
    std::vector<fs::path> compared;
    std::copy_if(folders.begin(), folders.end(), std::back_inserter(compared),
                 [](const fs::path& folder) { return is_run(folder) || is_samples(folder); });
    append(chapters, comparison_chapters(compared, options));
  }
  for (const fs::path& folder : folders) {
    if (is_result(folder)) append(chapters, result_chapters(folder, options));
  }
  for (const std::string& more : options.with) {
    require_directory(more, "results of an evaluation");
    if (!is_result(more)) {
      throw DataError("--with '" + more +
                      "' holds no results of `echopath eval` or `echopath filter`");
    }
    append(chapters, result_chapters(named(more), options));
  }
  return chapters;
}

}  // namespace

ReportSummary write_report(const ReportOptions& options) {
  require_directory(options.directory, "run or sample directory");
  const fs::path directory = named(options.directory);
  const std::vector<Chapter> chapters = chapters_of(directory, options);
  if (chapters.empty()) {
    throw DataError("'" + options.directory +
                    "' holds no training run (metrics.jsonl), no samples (manifest.jsonl), no "
                    "results of an evaluation and no folder with one of them");
  }
  ReportSummary summary;
  summary.page = options.out.empty() ? directory / "report.html" : fs::path(options.out);
  write_file(summary.page, page_html(directory.filename().string(),
                                     "Report of " + directory.filename().string(), chapters));
  for (const Chapter& chapter : chapters)
    summary.chapters.push_back(chapter.at("title").get<std::string>());
  summary.bytes = fs::file_size(summary.page);
  return summary;
}

}  // namespace echopath::evaluation
