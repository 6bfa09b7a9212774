#pragma once

#include <cstdint>
#include <filesystem>

#include "echopath/io/frames.hpp"

namespace echopath::data {

/// One grey frame of size×size pixels from a picture (io::is_image_name), a video or a DICOM
/// file. What has that size already is taken as it is; other frames are prepared as
/// `echopath import` does by default: cut to the ultrasound image, centre square, one intensity
/// window over the clip.
/// `frame` counts from 0. Throws DataError naming the file: unreadable, no such frame, or no
/// ultrasound image in it.
io::Frames read_still(const std::filesystem::path& path, std::int64_t frame, std::int64_t size);

}  // namespace echopath::data
