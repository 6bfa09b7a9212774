// Our own checks of a DICOM file, in this process: GDCM's decoding, which fuzz_dicom reaches, forks
// for every input and so tries only a few a second.
#include <sstream>

#include "fuzz_input.hpp"
#include "io/dicom_layout.hpp"
#include "io/dicom_structure.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace echopath;
  return fuzz::expect_result_or_error([&] {
    std::istringstream stream(std::string(reinterpret_cast<const char*>(data), size));
    const io::DicomStart start = io::find_dicom_start(stream);
    if (start.is_dicom && start.offset > size) std::abort();
    const std::string syntax = io::check_dicom_lengths(fuzz::as_file(data, size));
    if (syntax.empty() || !start.is_dicom) std::abort();
  });
}
