#include "echopath/io/csv.hpp"
#include "fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace echopath;
  return fuzz::expect_result_or_error([&] {
    const io::CsvTable table = io::read_csv(fuzz::as_file(data, size));
    for (const auto& row : table.rows) {
      if (row.size() != table.columns.size()) {
        std::abort();
      }
    }
    table.column("FileName");
    table.require_column("ClassName");
  });
}
