#pragma once

#include <filesystem>

#include "echopath/io/frames.hpp"

namespace echopath::io {

/// Whether a file's name ends like that of a picture that read_image() knows: .png, .jpg, .jpeg,
/// .bmp, .tif, .tiff or .webp, in any case.
bool is_image_name(const std::filesystem::path& path);

/// One picture as a single frame, grey (channels = 1, BT.601 luma) or RGB (channels = 3) of 0…255.
/// Throws DataError naming the file where it is missing, damaged or no picture.
Frames read_image(const std::filesystem::path& path, int channels = 1);

}  // namespace echopath::io
