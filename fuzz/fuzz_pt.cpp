#include "echopath/io/pt_reader.hpp"
#include "fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace echopath;
  return fuzz::expect_result_or_error([&] {
    for (const auto& [name, tensor] : io::load_pt(fuzz::as_file(data, size))) {
      tensor.clone();  // touches every element that the tensor claims
    }
  });
}
