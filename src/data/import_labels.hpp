#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/import_source.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/data/import.hpp"

namespace echopath::data {

/// Which row of a CSV lists which clip. A name with a folder ("d/x.avi", "./x.avi") lists the clip
/// at that path below the source and no other; a bare name lists the clip that is called so.
class ClipRows {
 public:
  struct Row {
    std::size_t index = 0;  ///< in the table, without the header
    std::string name;       ///< as listed
    std::string meaning;    ///< rows of one meaning may list a clip twice
    bool used = false;
  };

  /// Throws DataError where the name was listed with another meaning.
  void add(const std::string& csv, const Row& row);
  /// Settles which row lists which clip. Throws DataError, naming them, on a row that fits several
  /// clips and on rows of different meaning for one clip.
  void match(const std::string& csv, const std::vector<SourceClip>& clips);
  /// The row of the first of `names` that is listed, marked as used; else nullptr.
  const Row* find(const std::vector<std::string>& names);
  const std::vector<Row>& rows() const { return rows_; }

 private:
  std::vector<Row> rows_;
  std::map<std::string, std::size_t> row_of_;
};

/// The labels CSV: FileName and ClassName, and PatientId, FPS, Split, EF, ESV, EDV where it has
/// them.
class LabelTable {
 public:
  /// An empty path makes an empty table. Throws DataError on a CSV without its two columns.
  explicit LabelTable(const std::filesystem::path& csv);

  bool given() const { return !path_.empty(); }
  /// See ClipRows.
  void match(const std::vector<SourceClip>& clips) { rows_.match(path_.string(), clips); }
  /// The row that lists one of `names`.
  const Study* find(const std::vector<std::string>& names);
  /// Rows that list no clip.
  std::vector<ImportFailure> unused() const;

 private:
  std::filesystem::path path_;
  std::vector<Study> labels_;
  ClipRows rows_;
};

/// Copies what `label` states over `study`; file name and geometry stay.
void apply_label(const Study& label, Study& study);

/// The split file: Split, and FileName or PatientId.
class SplitTable {
 public:
  /// Throws DataError on missing columns, on a split other than TRAIN, VAL, TEST, and on a file or
  /// patient in two splits.
  explicit SplitTable(const std::filesystem::path& csv);
  /// See ClipRows.
  void match(const std::vector<SourceClip>& clips) { files_.match(path_.string(), clips); }
  /// Throws DataError naming the clip (by `shown_name`) where neither its names nor its patient's
  /// are listed.
  std::string split_of(const std::vector<std::string>& names,
                       const std::vector<std::string>& patient_names,
                       const std::string& shown_name);
  /// Rows that list neither a clip nor the patient of one.
  std::vector<ImportFailure> unused() const;

 private:
  std::filesystem::path path_;
  ClipRows files_;
  std::map<std::string, ClipRows::Row> patients_;
};

}  // namespace echopath::data
