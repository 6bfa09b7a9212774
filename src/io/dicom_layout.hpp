#pragma once

#include <cstdint>
#include <istream>
#include <string>

namespace echopath::io {

inline constexpr const char* kImplicitLittleEndian = "1.2.840.10008.1.2";
inline constexpr const char* kDeflatedExplicitLittleEndian = "1.2.840.10008.1.2.1.99";
inline constexpr const char* kExplicitBigEndian = "1.2.840.10008.1.2.2";

/// Where the data elements of a file begin.
struct DicomStart {
  bool is_dicom = false;
  std::uint64_t offset = 0;  ///< 132 after a preamble, 0 without
  bool explicit_vr = true;   ///< of the first element, for files without a meta group
};

/// Looks at the first bytes of a stream. A file without "DICM" counts where it begins with an
/// element of group 2 or 8, as files without preamble do.
DicomStart find_dicom_start(std::istream& stream);

/// Whether two characters are a value representation (PS3.5 table 6.2-1), and whether its explicit
/// length takes four bytes.
bool is_dicom_vr(const char* two_characters);
bool has_long_length(const std::string& vr);

}  // namespace echopath::io
