#include "echopath/data/still.hpp"

#include "data/import_clip.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/dicom.hpp"
#include "echopath/io/image.hpp"
#include "echopath/io/video.hpp"

namespace echopath::data {
namespace {

/// Throws DataError with every kind of file that a heart frame may come from: what is none of them
/// ends here.
io::Frames read_video_or_say_what_would_do(const fs::path& path) {
  try {
    return io::read_video(path);
  } catch (const DataError& error) {
    throw DataError(
        std::string(error.what()) +
        "; a heart frame is of a picture (.png, .jpg, .jpeg, .bmp, .tif, .tiff, .webp), "
        "a video, a DICOM file or latents (.safetensors)");
  }
}

DecodedClip read_clip(const fs::path& path) {
  require_file(path, "heart frame");
  DecodedClip clip;
  if (io::looks_like_dicom(path)) {
    io::DicomCine cine = io::read_dicom_cine(path);
    clip.frames = std::move(cine.frames);
    clip.regions_2d = std::move(cine.regions_2d);
  } else if (io::is_image_name(path)) {
    clip.frames = io::read_image(path);
  } else {
    clip.frames = read_video_or_say_what_would_do(path);
  }
  return clip;
}

}  // namespace

io::Frames read_still(const std::filesystem::path& path, std::int64_t frame, std::int64_t size) {
  DecodedClip clip = read_clip(path);
  if (frame < 0 || frame >= clip.frames.count) {
    throw DataError("'" + path.string() + "' has no frame " + std::to_string(frame) + "; it has " +
                    std::to_string(clip.frames.count) + ", counted from 0");
  }
  const bool fits = clip.frames.height == size && clip.frames.width == size;
  if (!fits || clip.frames.channels != 1) {
    ClipOptions options;
    options.size = size;
    options.mask_sector = !fits;
    options.intensity = fits ? Intensity::kNone : Intensity::kClip;
    clip.frame_seconds.clear();  // frame by frame, whatever the rate
    try {
      clip.frames = prepare_clip(clip, options.fps, options);
    } catch (const DataError& error) {
      throw DataError("'" + path.string() + "': " + error.what());
    }
  }
  io::Frames still = clip.frames;
  still.count = 1;
  still.pixels.assign(clip.frames.frame(frame), clip.frames.frame(frame) + still.frame_size());
  return still;
}

}  // namespace echopath::data
