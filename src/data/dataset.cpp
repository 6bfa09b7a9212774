#include "echopath/data/dataset.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
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
      throw DataError(table_.source + ": row " + std::to_string(row_ + 2) + ": '" + value +
                      "' in column " + name + " is not a number");
    }
    return number;
  }

 private:
  const io::CsvTable& table_;
  const std::unordered_map<std::string, std::size_t>& columns_;
  std::size_t row_;
};

/// TRAIN, VAL, TEST, or EchoNet-Synthetic's folds: 0–7 TRAIN, 8 VAL, the rest TEST.
std::string canonical_split(const std::string& value) {
  if (!value.empty() && std::all_of(value.begin(), value.end(), ::isdigit)) {
    const int fold = std::stoi(value.substr(0, 6));
    return fold <= 7 ? "TRAIN" : fold == 8 ? "VAL" : "TEST";
  }
  std::string upper = value;
  std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
  return upper == "VALIDATION" ? "VAL" : upper;
}

Study read_study(const Row& row) {
  Study study;
  study.file_name = row.text("filename");
  if (study.file_name.empty())
    study.file_name = fs::path(row.text("videopath")).filename().string();
  study.class_name = row.text("classname");
  study.patient_id = row.text("patientid");
  if (study.patient_id.empty()) study.patient_id = study.stem();
  study.split = canonical_split(row.text("split"));
  study.fps = row.number("fps").value_or(0.0);
  study.number_of_frames = static_cast<std::int64_t>(row.number("numberofframes").value_or(0.0));
  study.frame_height = static_cast<std::int64_t>(row.number("frameheight").value_or(0.0));
  study.frame_width = static_cast<std::int64_t>(row.number("framewidth").value_or(0.0));
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
  if (table.rows.empty()) throw DataError(csv.string() + " lists no video");
  std::vector<Study> studies;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    studies.push_back(read_study(Row(table, columns, i)));
    if (studies.back().file_name.empty()) {
      throw DataError(csv.string() + ": row " + std::to_string(i + 2) + " has no FileName");
    }
    if (studies.back().file_name.find('/') != std::string::npos) {
      throw DataError(csv.string() + ": row " + std::to_string(i + 2) + ": FileName '" +
                      studies.back().file_name + "' must be a name inside Videos/, not a path");
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
  return dataset;
}

std::vector<Study> Dataset::split(const std::string& name) const {
  std::vector<Study> studies;
  std::copy_if(studies_.begin(), studies_.end(), std::back_inserter(studies),
               [&](const Study& study) { return study.split == name; });
  return studies;
}

std::vector<std::string> Dataset::class_names() const {
  std::vector<std::string> names;
  for (const Study& study : studies_) {
    if (std::find(names.begin(), names.end(), study.class_name) == names.end()) {
      names.push_back(study.class_name);
    }
  }
  return names;
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
