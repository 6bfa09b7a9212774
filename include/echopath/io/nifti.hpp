#pragma once

#include <filesystem>

#include "echopath/io/frames.hpp"

namespace echopath::io {

/// A grey cine as it lies in the file: the array is (X, Y, T) with X fastest. Values as float,
/// after scl_slope and scl_inter.
struct NiftiCine {
  std::int64_t size_x = 0;
  std::int64_t size_y = 0;
  std::int64_t count = 0;
  double frame_seconds = 0.0;  ///< pixdim of the frame axis where it is in time units, else 0
  std::vector<float> values;   ///< [T][Y][X]
};

/// Reads .nii and .nii.gz. The header's sizes are checked against the file (its uncompressed
/// length) before any allocation. Throws DataError naming the file and what does not fit.
NiftiCine read_nifti(const std::filesystem::path& path);

/// Writes unsigned 8-bit .nii or .nii.gz in CardiacNet's layout; `bytes` is [T][Y][X].
void write_nifti(const std::filesystem::path& path, std::int64_t size_x, std::int64_t size_y,
                 std::int64_t count, const std::vector<std::uint8_t>& bytes);

}  // namespace echopath::io
