#include "echopath/io/csv.hpp"

#include <csv.h>

#include <algorithm>
#include <memory>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"

namespace echopath::io {
namespace {

struct Rows {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> current;
};

extern "C" void on_field(void* field, std::size_t length, void* data) {
  const char* text = static_cast<const char*>(field);
  static_cast<Rows*>(data)->current.emplace_back(text == nullptr ? "" : text, length);
}

extern "C" void on_row(int, void* data) {
  auto* rows = static_cast<Rows*>(data);
  rows->rows.push_back(std::move(rows->current));
  rows->current.clear();
}

/// libcsv's parser, freed at the end.
class Parser {
 public:
  /// Strict: a quote that is not closed, or stands inside an unquoted field, is an error.
  Parser() { csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI); }
  ~Parser() { csv_free(&parser_); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  csv_parser* get() { return &parser_; }

 private:
  csv_parser parser_;
};

std::string quoted(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos && trim(field).size() == field.size()) {
    return field;
  }
  std::string out(2 * field.size() + 2, '\0');
  out.resize(csv_write(out.data(), out.size(), field.data(), field.size()));
  return out;
}

void append_row(std::string& text, const std::vector<std::string>& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) text += ',';
    text += quoted(fields[i]);
  }
  if (fields.size() == 1 && fields.front().empty()) text += "\"\"";  // not an empty line
  text += '\n';
}

}  // namespace

int CsvTable::column(const std::string& name) const {
  const auto found = std::find(columns.begin(), columns.end(), name);
  return found == columns.end() ? -1 : static_cast<int>(found - columns.begin());
}

int CsvTable::require_column(const std::string& name) const {
  const int index = column(name);
  if (index < 0) {
    std::vector<std::string> present;
    for (const std::string& column_name : columns) present.push_back(quoted_text(column_name));
    throw DataError(source + " has no column '" + name + "'; it has " + join(present, ", "));
  }
  return index;
}

CsvTable read_csv(const std::filesystem::path& path) {
  require_file(path, "CSV file");
  std::string text = read_file(path);
  if (text.find('\0') != std::string::npos) {
    throw DataError(path.string() + " is not text in UTF-8; save it as CSV in UTF-8");
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);  // byte order mark
  Parser parser;
  Rows rows;
  if (csv_parse(parser.get(), text.data(), text.size(), on_field, on_row, &rows) != text.size() ||
      csv_fini(parser.get(), on_field, on_row, &rows) != 0) {
    throw DataError(path.string() + ": row " + std::to_string(rows.rows.size() + 1) +
                    " is not CSV: a quote is not closed, or stands inside a field without quotes");
  }
  if (rows.rows.empty()) throw DataError(path.string() + " is empty; a header row is needed");
  CsvTable table;
  table.source = path.string();
  table.columns = std::move(rows.rows.front());
  for (std::size_t i = 1; i < rows.rows.size(); ++i) {
    if (rows.rows[i].size() != table.columns.size()) {
      throw DataError(path.string() + ": row " + std::to_string(i + 1) + " has " +
                      std::to_string(rows.rows[i].size()) + " fields, the header has " +
                      std::to_string(table.columns.size()));
    }
    table.rows.push_back(std::move(rows.rows[i]));
  }
  return table;
}

void write_csv(const std::filesystem::path& path, const CsvTable& table) {
  std::string text;
  append_row(text, table.columns);
  for (const auto& row : table.rows) append_row(text, row);
  write_file(path, text);
}

}  // namespace echopath::io
