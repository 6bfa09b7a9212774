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

std::string row_number(std::size_t index) {
  return "row " + std::to_string(index + 2);
}

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
    throw DataError(table.source + ": " + row_number(row) + ": '" + text + "' in column " + column +
                    " is not a number");
  }
  return value;
}

std::string split_name(const io::CsvTable& table, std::size_t row) {
  std::string name = cell(table, row, "Split");
  std::transform(name.begin(), name.end(), name.begin(), ::toupper);
  if (name != "TRAIN" && name != "VAL" && name != "TEST") {
    throw DataError(table.source + ": " + row_number(row) + ": split '" + name +
                    "' is not TRAIN, VAL or TEST");
  }
  return name;
}

/// What a listed name stands for: a path below the source where it has a folder.
std::string key_of(const std::string& listed) {
  if (listed.find('/') == std::string::npos) return listed;
  return ("." / fs::path(listed).lexically_normal()).generic_string();
}

std::string quoted(const ClipRows::Row& row) {
  return row_number(row.index) + " ('" + row.name + "')";
}

[[noreturn]] void refuse_ambiguous(const std::string& csv, const ClipRows::Row& row,
                                   const std::vector<const SourceClip*>& clips) {
  constexpr std::size_t kShown = 3;
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < std::min(clips.size(), kShown); ++i) {
    paths.push_back("'" + clips[i]->names.front() + "'");
  }
  if (clips.size() > kShown) paths.push_back(std::to_string(clips.size() - kShown) + " more");
  throw DataError(csv + ": " + row_number(row.index) + ": '" + row.name + "' may mean " +
                  join(paths, " or ") + "; list each by its path");
}

ImportFailure unmatched(const fs::path& csv, const ClipRows::Row& row, const std::string& what) {
  return {csv, row_number(row.index) + ": '" + row.name + "' " + what};
}

}  // namespace

void ClipRows::add(const std::string& csv, const Row& row) {
  const auto [entry, added] = row_of_.emplace(key_of(row.name), rows_.size());
  if (added) {
    rows_.push_back(row);
  } else if (const Row& first = rows_[entry->second]; first.meaning != row.meaning) {
    throw DataError(csv + ": " + quoted(row) + " lists what " + quoted(first) +
                    " lists already; keep one of them");
  }
}

void ClipRows::match(const std::string& csv, const std::vector<SourceClip>& clips) {
  std::map<std::size_t, std::vector<const SourceClip*>> clips_of;
  std::map<std::size_t, std::size_t> rivals;  // rows that fit a clip of another row → that row
  for (const SourceClip& clip : clips) {
    std::optional<std::size_t> own;
    for (const std::string& name : clip.names) {
      const auto found = row_of_.find(name);
      if (found == row_of_.end() || found->second == own) continue;
      if (own) {
        rivals.emplace(found->second, *own);
      } else {
        own = found->second;
        clips_of[*own].push_back(&clip);
      }
    }
  }
  for (const auto& [row, listed] : clips_of) {
    if (listed.size() > 1) refuse_ambiguous(csv, rows_[row], listed);
    rows_[row].used = true;
  }
  for (const auto& [row, winner] : rivals) {
    if (rows_[row].used) continue;
    if (rows_[row].meaning != rows_[winner].meaning) {
      throw DataError(csv + ": " + quoted(rows_[row]) + " and " + quoted(rows_[winner]) +
                      " list the same clip; keep one of them");
    }
    rows_[row].used = true;
  }
}

const ClipRows::Row* ClipRows::find(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const auto found = row_of_.find(name);
    if (found == row_of_.end()) continue;
    rows_[found->second].used = true;
    return &rows_[found->second];
  }
  return nullptr;
}

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
    rows_.add(table.source, {i, row.file_name, row_number(i)});
    labels_.push_back(std::move(row));
  }
}

const Study* LabelTable::find(const std::vector<std::string>& names) {
  const ClipRows::Row* row = rows_.find(names);
  return row == nullptr ? nullptr : &labels_[row->index];
}

std::vector<ImportFailure> LabelTable::unused() const {
  std::vector<ImportFailure> failures;
  for (const ClipRows::Row& row : rows_.rows()) {
    if (row.used) continue;
    failures.push_back(unmatched(path_, row, "was not found in the source; check its FileName"));
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
      files_.add(table.source, {i, file, split});
    } else if (!patient.empty()) {
      const ClipRows::Row row{i, patient, split};
      const ClipRows::Row& first = patients_.emplace(patient, row).first->second;
      if (first.meaning != split) {
        throw DataError(table.source + ": " + quoted(row) + " is in " + split + " and by " +
                        row_number(first.index) + " in " + first.meaning + "; keep one of them");
      }
    }
  }
}

std::string SplitTable::split_of(const std::vector<std::string>& names,
                                 const std::vector<std::string>& patient_names,
                                 const std::string& shown_name) {
  if (const ClipRows::Row* row = files_.find(names)) return row->meaning;
  for (const std::string& name : patient_names) {
    const auto found = patients_.find(name);
    if (found == patients_.end()) continue;
    found->second.used = true;
    return found->second.meaning;
  }
  throw DataError(path_.string() + " gives no split for '" + shown_name +
                  "'; add a row with its FileName or PatientId");
}

std::vector<ImportFailure> SplitTable::unused() const {
  std::vector<ImportFailure> failures;
  for (const ClipRows::Row& row : files_.rows()) {
    if (row.used) continue;
    failures.push_back(unmatched(path_, row, "was not found in the source; check its FileName"));
  }
  for (const auto& [patient, row] : patients_) {
    if (row.used) continue;
    failures.push_back(unmatched(path_, row, "is the patient of no clip; check its PatientId"));
  }
  return failures;
}

}  // namespace echopath::data
