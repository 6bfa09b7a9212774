#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace echopath::io {

/// A CSV file with a header row (libcsv: RFC 4180 quoting). Empty lines are skipped, white space
/// around unquoted fields is dropped, a byte order mark is tolerated. Rows are counted from the
/// header, which is row 1, so `rows[i]` is row i + 2 of a message.
struct CsvTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;

  /// Index of a column or -1.
  int column(const std::string& name) const;
  /// Index of a column; throws DataError naming the file, the column and the columns present.
  int require_column(const std::string& name) const;
  std::string source;  ///< path, for error messages
};

/// Throws DataError (path, row) on unreadable files, a missing header, quotes that do not match, or
/// rows of another length than the header.
CsvTable read_csv(const std::filesystem::path& path);
/// Writes atomically, quoting where needed.
void write_csv(const std::filesystem::path& path, const CsvTable& table);

}  // namespace echopath::io
