#include "echopath/io/csv.hpp"

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"

namespace echopath::io {
namespace {

using Row = std::vector<std::string>;

class Csv : public testing::Test {
 protected:
  CsvTable read(const std::string& text) {
    write_file(path_, text);
    return read_csv(path_);
  }

  TemporaryDirectory folder_;
  fs::path path_ = folder_ / "list.csv";
};

TEST_F(Csv, FieldsQuotesAndEmptyFields) {
  const CsvTable table =
      read("FileName,Note,EF\na.avi,\"one, \"\"two\"\"\nthree\",55.5\nb.avi,,\n");
  EXPECT_EQ(table.columns, (Row{"FileName", "Note", "EF"}));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0], (Row{"a.avi", "one, \"two\"\nthree", "55.5"}));
  EXPECT_EQ(table.rows[1], (Row{"b.avi", "", ""}));
}

TEST_F(Csv, ByteOrderMarkWindowsLinesAndBlankLines) {
  const CsvTable table = read(
      "\xEF\xBB\xBF"
      "A, B \r\n1,2\r\n\r\n 3 ,4");
  EXPECT_EQ(table.columns, (Row{"A", "B"}));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0], (Row{"1", "2"}));
  EXPECT_EQ(table.rows[1], (Row{"3", "4"}));
}

TEST_F(Csv, WhatIsWrittenIsReadBack) {
  CsvTable table;
  table.columns = {"plain", "comma, quote\"", " space "};
  table.rows = {{"a", "b,c", "\"d\""}, {"", "line\nbreak", " e"}, {"ü", "\r", "\t"}};
  write_csv(path_, table);
  const CsvTable back = read_csv(path_);
  EXPECT_EQ(back.columns, table.columns);
  EXPECT_EQ(back.rows, table.rows);
}

TEST_F(Csv, AnEmptyFieldAloneInItsRowSurvives) {
  CsvTable table;
  table.columns = {"name"};
  table.rows = {{"a"}, {""}, {"b"}};
  write_csv(path_, table);
  EXPECT_EQ(read_csv(path_).rows, table.rows);
}

TEST_F(Csv, PlainFieldsAreWrittenWithoutQuotes) {
  CsvTable table;
  table.columns = {"FileName", "FPS"};
  table.rows = {{"a b.avi", "32"}};
  write_csv(path_, table);
  EXPECT_EQ(read_file(path_), "FileName,FPS\na b.avi,32\n");
}

TEST_F(Csv, ColumnsAreFoundByName) {
  const CsvTable table = read("A,B\n1,2\n");
  EXPECT_EQ(table.column("B"), 1);
  EXPECT_EQ(table.column("C"), -1);
  EXPECT_EQ(table.require_column("A"), 0);
  expect_error<DataError>([&] { table.require_column("C"); }, "no column 'C'; it has 'A', 'B'");
}

TEST_F(Csv, AnErrorStaysOneLineWhateverTheColumnsAreCalled) {
  const CsvTable table = read("\"A\nB\",C\n1,2\n");
  try {
    table.require_column("D");
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
}

TEST_F(Csv, FaultsNameFileAndRow) {
  expect_error<DataError>([&] { read_csv(folder_ / "none.csv"); }, "none.csv");
  expect_error<DataError>([&] { read(""); }, "list.csv is empty");
  expect_error<DataError>([&] { read("A,B\n1,2\n3\n"); }, "row 3 has 1 fields, the header has 2");
  expect_error<DataError>([&] { read("A,B\n1,2\n3,\"4\n5,6\n"); }, "row 3 is not CSV");
  expect_error<DataError>([&] { read("A,B\n1,x\"2\"\n"); }, "row 2 is not CSV");
  expect_error<DataError>([&] { read(std::string("A\0B\0", 4)); }, "not text in UTF-8");
}

}  // namespace
}  // namespace echopath::io
