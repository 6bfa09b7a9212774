#include "echopath/evaluation/report.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <map>
#include <utility>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "evaluation/report_chapters.hpp"

namespace echopath::evaluation {
namespace {

bool is_shown(const fs::path& directory) {
  return is_run(directory) || is_samples(directory) || is_result(directory);
}

/// Folders in a folder for which `is_wanted` holds, sorted, hidden ones left out.
std::vector<fs::path> folders_in(const fs::path& directory,
                                 const std::function<bool(const fs::path&)>& is_wanted) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.is_directory() && entry.path().filename().string().front() != '.' &&
        is_wanted(entry.path())) {
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

bool contains(const std::vector<fs::path>& paths, const fs::path& path) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

/// The directories of a page, each of them once.
struct Contents {
  std::vector<fs::path> whole;           ///< with all that they hold: DIR and those of --with
  std::vector<fs::path> compared;        ///< runs and samples in DIR, beside each other
  std::vector<fs::path> results;         ///< folders in DIR, with the results in them alone
  std::vector<fs::path> nested_results;  ///< folders in a compared one, the same
};

fs::path require_shown(const std::string& with) {
  require_directory(with, "run, sample or evaluation directory");
  const fs::path directory = named(with);
  if (is_shown(directory)) return directory;
  const std::vector<fs::path> inside = folders_in(directory, is_shown);
  throw DataError("--with '" + with +
                  "' holds no training run (metrics.jsonl), no samples (manifest.jsonl) and no "
                  "results of `echopath eval` or `echopath filter`" +
                  (inside.empty() ? "" : "; name a folder in it: '" + inside[0].string() + "'"));
}

Contents contents_of(const fs::path& directory, const std::vector<std::string>& with) {
  Contents contents;
  contents.whole.push_back(directory);
  for (const std::string& more : with) {
    const fs::path path = require_shown(more);
    if (!contains(contents.whole, path)) contents.whole.push_back(path);
  }
  const auto is_other_result = [&](const fs::path& folder) {
    return is_result(folder) && !contains(contents.whole, folder);
  };
  contents.results = folders_in(directory, is_other_result);
  if (is_samples(directory) || is_run(directory)) return contents;
  contents.compared = folders_in(
      directory, [](const fs::path& folder) { return is_run(folder) || is_samples(folder); });
  for (const fs::path& folder : contents.compared) {
    const std::vector<fs::path> found = folders_in(folder, is_other_result);
    contents.nested_results.insert(contents.nested_results.end(), found.begin(), found.end());
  }
  return contents;
}

/// The last parts of a path, at most all of them.
std::string end_of(const fs::path& path, std::ptrdiff_t parts) {
  fs::path end;
  const std::ptrdiff_t skipped = std::distance(path.begin(), path.end()) - parts;
  std::ptrdiff_t place = 0;
  for (const fs::path& part : path) {
    if (place++ >= skipped) end /= part;
  }
  return end.string();
}

/// What directories are called: so much of the end of its path as tells each from all others. What
/// lies in a compared folder has that one's name before its own.
std::map<fs::path, std::string> names_of(const Contents& contents) {
  std::map<fs::path, std::ptrdiff_t> least_parts;
  for (const auto* paths : {&contents.whole, &contents.compared, &contents.results}) {
    for (const fs::path& path : *paths) least_parts[path] = 1;
  }
  for (const fs::path& path : contents.nested_results) least_parts[path] = 2;
  std::map<fs::path, std::string> names;
  for (const auto& [path, least] : least_parts) {
    std::string name;
    for (std::ptrdiff_t parts = least; name.empty(); ++parts) {
      const std::string end = end_of(path, parts);
      const auto same =
          std::count_if(least_parts.begin(), least_parts.end(),
                        [&](const auto& other) { return end_of(other.first, parts) == end; });
      if (same == 1) name = end;
    }
    names[path] = name;
  }
  return names;
}

/// Chapters, and of each the name of the directory that it is of.
class Chapters {
 public:
  void add(std::vector<Chapter> more, const std::string& name) {
    for (Chapter& chapter : more) {
      chapters_.push_back(std::move(chapter));
      names_.push_back(name);
    }
  }
  /// The same, with the name in their titles.
  void add_named(std::vector<Chapter> more, const std::string& name) {
    for (Chapter& chapter : more) append_name(chapter, name);
    add(std::move(more), name);
  }
  /// All of them; where several have one title, their names are added.
  std::vector<Chapter> told_apart() {
    std::map<std::string, int> count;
    for (const Chapter& chapter : chapters_) ++count[title_of(chapter)];
    for (std::size_t i = 0; i < chapters_.size(); ++i) {
      if (count[title_of(chapters_[i])] > 1) append_name(chapters_[i], names_[i]);
    }
    return std::move(chapters_);
  }

 private:
  static std::string title_of(const Chapter& chapter) {
    return chapter.at("title").get<std::string>();
  }
  static void append_name(Chapter& chapter, const std::string& name) {
    const std::string title = title_of(chapter);
    if (!title.ends_with(": " + name)) chapter["title"] = title + " (" + name + ")";
  }

  std::vector<Chapter> chapters_;
  std::vector<std::string> names_;
};

std::vector<Chapter> chapters_of(const Contents& contents, const ReportOptions& options) {
  const std::map<fs::path, std::string> names = names_of(contents);
  const auto source = [&](const fs::path& path) { return Source{path, names.at(path)}; };
  Chapters chapters;
  const auto add_whole = [&](const fs::path& path) {
    const Source shown = source(path);
    if (is_samples(path)) chapters.add(sample_chapters(shown, options), shown.name);
    if (is_result(path)) chapters.add(result_chapters(shown, options), shown.name);
    if (is_run(path)) chapters.add(run_chapters(shown), shown.name);
  };
  add_whole(contents.whole.front());
  std::vector<Source> compared;
  for (const fs::path& path : contents.compared) compared.push_back(source(path));
  chapters.add(comparison_chapters(compared, options), "");
  for (const fs::path& path : contents.results) {
    chapters.add(result_chapters(source(path), options), names.at(path));
  }
  for (const fs::path& path : contents.nested_results) {
    chapters.add_named(result_chapters(source(path), options), names.at(path));
  }
  std::for_each(contents.whole.begin() + 1, contents.whole.end(), add_whole);
  return chapters.told_apart();
}

}  // namespace

ReportSummary write_report(const ReportOptions& options) {
  require_directory(options.directory, "run or sample directory");
  const fs::path directory = named(options.directory);
  const std::vector<Chapter> chapters = chapters_of(contents_of(directory, options.with), options);
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
