#pragma once

#include <filesystem>

#include "echopath/io/dicom.hpp"

namespace echopath::io {

/// Decodes in this process. Only for files whose lengths were checked; GDCM may still end the
/// process, so `read_dicom_cine` runs it in a child. Throws DataError, or what GDCM throws.
DicomCine decode_dicom(const std::filesystem::path& path);

}  // namespace echopath::io
