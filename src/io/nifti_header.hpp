#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace echopath::io {

/// Bytes of the longest header (NIfTI-2).
inline constexpr std::size_t kNiftiHeaderBytes = 540;

/// What a NIfTI header says about where its voxels are and what they mean.
struct NiftiLayout {
  std::int64_t size_x = 0;
  std::int64_t size_y = 0;
  std::int64_t count = 0;  ///< frames
  int datatype = 0;        ///< libnifti's DT_ code
  std::int64_t voxel_bytes = 0;
  int swap_bytes = 0;  ///< unit to reverse in the data; 0 where the file has this machine's order
  std::int64_t data_offset = 0;
  double slope = 1.0;
  double intercept = 0.0;
  double frame_seconds = 0.0;  ///< 0 where the header states no time

  std::int64_t data_bytes() const { return size_x * size_y * count * voxel_bytes; }
  /// "1500 × 1500 × 1000 FLOAT64".
  std::string description() const;
};

/// Reads a NIfTI-1 or NIfTI-2 header of either byte order from the start of a file (as many bytes
/// as there are, up to kNiftiHeaderBytes). The array must be (X, Y, T) or (X, Y, 1, T) of integers,
/// floats or RGB24; data_bytes() of what is returned does not overflow. Throws DataError naming the
/// file and what is wrong.
NiftiLayout parse_nifti_header(const std::vector<std::uint8_t>& head, const std::string& name);

}  // namespace echopath::io
