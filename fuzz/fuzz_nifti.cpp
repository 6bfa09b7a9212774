#include "echopath/io/nifti.hpp"
#include "fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace echopath;
  return fuzz::expect_result_or_error([&] {
    const io::NiftiCine cine = io::read_nifti(fuzz::as_file(data, size));
    if (cine.values.size() != static_cast<std::size_t>(cine.size_x * cine.size_y * cine.count)) {
      std::abort();
    }
  });
}
