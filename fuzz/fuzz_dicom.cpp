#include "echopath/io/dicom.hpp"
#include "fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace echopath;
  return fuzz::expect_result_or_error([&] {
    const std::filesystem::path path = fuzz::as_file(data, size);
    io::looks_like_dicom(path);
    const io::DicomCine cine = io::read_dicom_cine(path);  // GDCM itself runs in a child process
    const io::Frames& frames = cine.frames;
    if (frames.pixels.size() != static_cast<std::size_t>(frames.count * frames.frame_size())) {
      std::abort();
    }
  });
}
