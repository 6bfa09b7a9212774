#include "echopath/io/safetensors.hpp"
#include "fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace echopath;
  return fuzz::expect_result_or_error([&] {
    const io::SafetensorsFile file(fuzz::as_file(data, size));
    for (const auto& [name, tensor] : file.all()) {
      tensor.clone();  // touches every byte that the tensor claims
    }
  });
}
