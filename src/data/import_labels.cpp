#include "data/import_labels.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/csv.hpp"

namespace echopath::data {
namespace {

std::string cell(const io::CsvTable& table, std::size_t row, const std::string& column) {
  const int index = table.column(column);
  return index < 0 ? "" : trim(table.rows[row][static_cast<std::size_t>(index)]);
}

std::optional<double> number(const io::CsvTable& table, std::size_t row,
                             const std::string& column) {
  const std::string text = cell(table, row, column);
  if (text.empty()) return std::nullopt;
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    throw DataError(table.source + ": row " + std::to_string(row + 2) + ": '" + text +
                    "' in column " + column + " is not a number");
  }
  return value;
}

std::string split_name(const io::CsvTable& table, std::size_t row) {
  std::string name = cell(table, row, "Split");
  std::transform(name.begin(), name.end(), name.begin(), ::toupper);
  if (name != "TRAIN" && name != "VAL" && name != "TEST") {
    throw DataError(table.source + ": row " + std::to_string(row + 2) + ": split '" + name +
                    "' is not TRAIN, VAL or TEST");
  }
  return name;
}

std::string without_extension(const std::string& name) {
  return fs::path(name).replace_extension().generic_string();
}

}  // namespace

LabelTable::LabelTable(const fs::path& csv) : path_(csv) {
  if (csv.empty()) return;
  const io::CsvTable table = io::read_csv(csv);
  table.require_column("FileName");
  table.require_column("ClassName");
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    Study row;
    row.file_name = cell(table, i, "FileName");
    row.class_name = cell(table, i, "ClassName");
    row.patient_id = cell(table, i, "PatientId");
    row.fps = number(table, i, "FPS").value_or(0.0);
    row.ef = number(table, i, "EF");
    row.esv = number(table, i, "ESV");
    row.edv = number(table, i, "EDV");
    if (!cell(table, i, "Split").empty()) row.split = split_name(table, i);
    if (!row_of_.emplace(row.file_name, i).second) {
      throw DataError(table.source + ": row " + std::to_string(i + 2) + " lists '" + row.file_name +
                      "' a second time");
    }
    rows_.push_back(std::move(row));
  }
  used_.assign(rows_.size(), false);
}

const Study* LabelTable::find(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto found = row_of_.find(name);
    if (found == row_of_.end()) continue;
    used_[found->second] = true;
    return &rows_[found->second];
  }
  return nullptr;
}

std::vector<ImportFailure> LabelTable::unused() const {
  std::vector<ImportFailure> failures;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (used_[i]) continue;
    failures.push_back({path_, "row " + std::to_string(i + 2) + ": '" + rows_[i].file_name +
                                   "' was not found in the source; check its FileName"});
  }
  return failures;
}

void apply_label(const Study& label, Study& study) {
  if (!label.class_name.empty()) study.class_name = label.class_name;
  if (!label.patient_id.empty()) study.patient_id = label.patient_id;
  if (!label.split.empty()) study.split = label.split;
  if (label.fps > 0.0) study.fps = label.fps;
  if (label.ef) study.ef = label.ef;
  if (label.esv) study.esv = label.esv;
  if (label.edv) study.edv = label.edv;
}

SplitTable::SplitTable(const fs::path& csv) : path_(csv) {
  const io::CsvTable table = io::read_csv(csv);
  table.require_column("Split");
  if (table.column("FileName") < 0 && table.column("PatientId") < 0)
    table.require_column("FileName");
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const std::string split = split_name(table, i);
    const std::string file = cell(table, i, "FileName");
    const std::string patient = cell(table, i, "PatientId");
    if (!file.empty()) {
      by_file_[file] = split;
      by_file_.emplace(without_extension(file), split);
    } else if (!patient.empty()) {
      by_patient_[patient] = split;
    }
  }
}

std::string SplitTable::split_of(const std::vector<std::string>& names,
                                 const std::vector<std::string>& patient_names,
                                 const std::string& shown_name) const {
  for (const std::string& name : names) {
    if (const auto found = by_file_.find(name); found != by_file_.end()) return found->second;
  }
  for (const std::string& name : patient_names) {
    if (const auto found = by_patient_.find(name); found != by_patient_.end()) return found->second;
  }
  throw DataError(path_.string() + " gives no split for '" + shown_name +
                  "'; add a row with its FileName or PatientId");
}

}  // namespace echopath::data
