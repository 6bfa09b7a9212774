#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "echopath/data/dataset.hpp"
#include "echopath/data/import.hpp"

namespace echopath::data {

/// The labels CSV: FileName and ClassName, and PatientId, FPS, Split, EF, ESV, EDV where it has
/// them.
class LabelTable {
 public:
  /// An empty path makes an empty table. Throws DataError on a CSV without its two columns.
  explicit LabelTable(const std::filesystem::path& csv);

  bool given() const { return !path_.empty(); }
  /// The first row that lists one of `names`; marked as used.
  const Study* find(const std::vector<std::string>& names);
  /// Rows that no clip used: their videos are missing.
  std::vector<ImportFailure> unused() const;

 private:
  std::filesystem::path path_;
  std::vector<Study> rows_;
  std::vector<bool> used_;
  std::map<std::string, std::size_t> row_of_;
};

/// Copies what `label` states over `study`; file name and geometry stay.
void apply_label(const Study& label, Study& study);

/// The split file: Split, and FileName or PatientId.
class SplitTable {
 public:
  /// Throws DataError on missing columns or a split other than TRAIN, VAL, TEST.
  explicit SplitTable(const std::filesystem::path& csv);
  /// Throws DataError naming the clip (by `shown_name`) where neither its names nor its patient's
  /// are listed.
  std::string split_of(const std::vector<std::string>& names,
                       const std::vector<std::string>& patient_names,
                       const std::string& shown_name) const;

 private:
  std::filesystem::path path_;
  std::map<std::string, std::string> by_file_;
  std::map<std::string, std::string> by_patient_;
};

}  // namespace echopath::data
