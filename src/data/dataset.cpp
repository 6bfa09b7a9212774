#include "echopath/data/dataset.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/csv.hpp"
#include "echopath/io/video.hpp"

namespace echopath::data {
namespace {

constexpr const char* kVideoExtensions[] = {".avi", ".mp4", ".mov", ".gif", ".mkv"};

/// "patient_id" and "PatientId" are the same column.
std::string canonical(const std::string& column) {
  std::string name;
  for (const char c : to_lower(column)) {
    if (c != '_' && c != ' ') name += c;
  }
  return name;
}

/// Access to one row by canonical column names.
class Row {
 public:
  Row(const io::CsvTable& table, const std::unordered_map<std::string, std::size_t>& columns,
      std::size_t row)
      : table_(table), columns_(columns), row_(row) {}

  std::string text(const std::string& name) const {
    const auto found = columns_.find(name);
    return found == columns_.end() ? "" : trim(table_.rows[row_][found->second]);
  }

  std::optional<double> number(const std::string& name) const {
    const std::string value = text(name);
    if (value.empty() || to_lower(value) == "nan") return std::nullopt;
    double number = 0.0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || !std::isfinite(number)) {
      refuse(quoted_text(value) + " in column " + column(name) + " is not a number");
    }
    return number;
  }

  /// A whole number from 0, which may be written as "64.0"; 0 where there is none.
  std::int64_t count(const std::string& name) const {
    const double value = number(name).value_or(0.0);
    if (value < 0.0 || value > 1e9 || value != std::floor(value)) {
      refuse(quoted_text(text(name)) + " in column " + column(name) + " is not a number of things");
    }
    return static_cast<std::int64_t>(value);
  }

  /// The column's name as the file writes it.
  const std::string& column(const std::string& name) const {
    return table_.columns[columns_.at(name)];
  }

  [[noreturn]] void refuse(const std::string& reason) const {
    throw DataError(table_.source + ": row " + std::to_string(row_ + 2) + ": " + reason);
  }

 private:
  const io::CsvTable& table_;
  const std::unordered_map<std::string, std::size_t>& columns_;
  std::size_t row_;
};

/// TRAIN, VAL, TEST, or EchoNet-Synthetic's folds: 0–7 TRAIN, 8 VAL, the rest TEST. Empty where the
/// list has no split.
std::string read_split(const Row& row) {
  const std::string value = row.text("split");
  const std::string name = to_lower(value);
  if (name.empty() || name == "nan") return "";
  if (name == "train" || name == "training") return "TRAIN";
  if (name == "val" || name == "validation" || name == "valid") return "VAL";
  if (name == "test" || name == "testing") return "TEST";
  double fold = 0.0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), fold);
  if (error != std::errc() || end != name.data() + name.size() || fold != std::floor(fold)) {
    row.refuse("Split " + quoted_text(value) +
               " is unknown; use TRAIN, VAL, TEST or a fold number");
  }
  return fold <= 7 ? "TRAIN" : fold == 8 ? "VAL" : "TEST";
}

std::string read_file_name(const Row& row) {
  std::string name = row.text("filename");
  if (name.empty()) name = fs::path(row.text("videopath")).filename().string();
  if (name.empty()) row.refuse("has no FileName");
  if (name.find('/') != std::string::npos || name == "..") {
    row.refuse("FileName " + quoted_text(name) + " must be a name inside Videos/, not a path");
  }
  return name;
}

Study read_study(const Row& row) {
  Study study;
  study.file_name = read_file_name(row);
  study.class_name = row.text("classname");
  study.patient_id = row.text("patientid");
  if (study.patient_id.empty()) study.patient_id = study.stem();
  study.split = read_split(row);
  study.fps = row.number("fps").value_or(0.0);
  study.number_of_frames = row.count("numberofframes");
  study.frame_height = row.count("frameheight");
  study.frame_width = row.count("framewidth");
  study.ef = row.number("ef");
  study.esv = row.number("esv");
  study.edv = row.number("edv");
  return study;
}

std::string number_text(double value) {
  char text[32];
  const auto result = std::to_chars(text, text + sizeof(text), value);
  return std::string(text, result.ptr);
}

/// A patient in two splits makes every test figure too good.
void warn_of_shared_patients(const std::vector<Study>& studies, const fs::path& directory) {
  std::unordered_map<std::string, std::string> split_of;
  for (const Study& study : studies) {
    const auto [first, is_new] = split_of.emplace(study.patient_id, study.split);
    if (is_new || first->second == study.split) continue;
    log_warning((directory / "FileList.csv").string() + ": patient " +
                quoted_text(study.patient_id) + " is in " + first->second + " and in " +
                study.split + "; figures on one of them will be too good");
    return;
  }
}

std::string optional_text(const std::optional<double>& value) {
  return value ? number_text(*value) : "";
}

}  // namespace

std::string Study::stem() const {
  const fs::path name(file_name);
  const std::string extension = to_lower(name.extension().string());
  for (const char* known : kVideoExtensions) {
    if (extension == known) return name.stem().string();
  }
  return file_name;
}

std::vector<Study> read_file_list(const std::filesystem::path& csv) {
  const io::CsvTable table = io::read_csv(csv);
  std::unordered_map<std::string, std::size_t> columns;
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    columns.emplace(canonical(table.columns[i]), i);
  if (!columns.contains("filename") && !columns.contains("videopath"))
    table.require_column("FileName");
  if (table.rows.empty()) {
    throw DataError(csv.string() +
                    " lists no video; make one with `echopath import` or `echopath phantom`");
  }
  std::vector<Study> studies;
  std::unordered_map<std::string, std::size_t> row_of;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const Row row(table, columns, i);
    studies.push_back(read_study(row));
    const auto [first, is_new] = row_of.emplace(studies.back().stem(), i + 2);
    if (!is_new) {
      row.refuse("FileName " + quoted_text(studies.back().file_name) + " stands in row " +
                 std::to_string(first->second) + " already; names must differ");
    }
  }
  return studies;
}

void write_file_list(const std::filesystem::path& csv, const std::vector<Study>& studies) {
  io::CsvTable table;
  table.columns = {"FileName", "ClassName",      "PatientId",   "Split",
                   "FPS",      "NumberOfFrames", "FrameHeight", "FrameWidth"};
  const bool volumes = std::any_of(studies.begin(), studies.end(), [](const Study& s) {
    return s.ef.has_value() || s.esv.has_value() || s.edv.has_value();
  });
  if (volumes) table.columns.insert(table.columns.end(), {"EF", "ESV", "EDV"});
  for (const Study& study : studies) {
    std::vector<std::string> row = {study.file_name,
                                    study.class_name,
                                    study.patient_id,
                                    study.split,
                                    number_text(study.fps),
                                    std::to_string(study.number_of_frames),
                                    std::to_string(study.frame_height),
                                    std::to_string(study.frame_width)};
    if (volumes) {
      row.insert(row.end(),
                 {optional_text(study.ef), optional_text(study.esv), optional_text(study.edv)});
    }
    table.rows.push_back(std::move(row));
  }
  io::write_csv(csv, table);
}

std::vector<Study> studies_of_split(const std::vector<Study>& studies, const std::string& split) {
  std::vector<Study> chosen;
  std::copy_if(studies.begin(), studies.end(), std::back_inserter(chosen),
               [&](const Study& study) { return study.split == split; });
  return chosen;
}

std::vector<std::string> class_names_of(const std::vector<Study>& studies) {
  std::vector<std::string> names;
  for (const Study& study : studies) {
    if (std::find(names.begin(), names.end(), study.class_name) == names.end()) {
      names.push_back(study.class_name);
    }
  }
  return names;
}

Dataset Dataset::open(const std::filesystem::path& directory, bool check_videos) {
  require_directory(directory, "dataset");
  if (!fs::exists(directory / "FileList.csv")) {
    throw DataError("dataset '" + directory.string() +
                    "' has no FileList.csv; make one with `echopath import` or `echopath phantom`");
  }
  Dataset dataset;
  dataset.directory_ = directory;
  dataset.studies_ = read_file_list(directory / "FileList.csv");
  for (std::size_t i = 0; check_videos && i < dataset.studies_.size(); ++i) {
    if (dataset.video_path(dataset.studies_[i]).empty()) {
      throw DataError((directory / "FileList.csv").string() + ": row " + std::to_string(i + 2) +
                      ": video '" +
                      (directory / "Videos" / dataset.studies_[i].file_name).string() +
                      "' is missing; restore it or remove the row");
    }
  }
  warn_of_shared_patients(dataset.studies_, directory);
  return dataset;
}

std::vector<Study> Dataset::split(const std::string& name) const {
  return studies_of_split(studies_, name);
}

std::vector<std::string> Dataset::class_names() const {
  return class_names_of(studies_);
}

std::filesystem::path Dataset::video_path(const Study& study) const {
  const fs::path exact = directory_ / "Videos" / study.file_name;
  if (fs::is_regular_file(exact)) return exact;
  for (const char* extension : kVideoExtensions) {
    const fs::path path = directory_ / "Videos" / (study.stem() + extension);
    if (fs::is_regular_file(path)) return path;
  }
  return {};
}

io::Frames Dataset::load(const Study& study) const {
  const fs::path path = video_path(study);
  if (path.empty()) {
    throw DataError("video '" + (directory_ / "Videos" / study.file_name).string() +
                    "' is missing");
  }
  return io::read_video(path, 1);
}

}  // namespace echopath::data
