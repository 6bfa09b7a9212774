#pragma once

#include <filesystem>
#include <string>

namespace echopath::io {

/// Walks the data elements of a DICOM file (PS3.5 section 7) without reading their values, and
/// checks that every length, nested ones included, fits in what holds it.
/// Returns the transfer syntax UID (implicit little endian where the file states none).
/// Throws DataError naming the file, the element and the two lengths.
std::string check_dicom_lengths(const std::filesystem::path& path);

}  // namespace echopath::io
