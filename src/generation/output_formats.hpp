#pragma once

#include <functional>
#include <string>
#include <vector>

namespace echopath::generation {

/// What a sample directory's Videos/ may hold: h264 (MP4) and ffv1 (lossless AVI).
const std::vector<std::string>& video_codecs();
/// What may lie beside them: gif, png, latents, dicom.
const std::vector<std::string>& other_formats();
/// Each of these once, in the order in which they first stand.
std::vector<std::string> without_repeats(const std::vector<std::string>& formats);

/// The codec to write with: the one asked for (mp4 and avi are other names of them), or, where it
/// is none of ours or its encoder is missing, the first that can be used, with a warning that names
/// it, and that the page cannot play it where neither it nor a format of `also` is for browsers.
/// `has_encoder` tells by FFmpeg's name (libx264, ffv1). Throws DataError where none can be.
std::string usable_codec(const std::string& asked, const std::vector<std::string>& also,
                         const std::function<bool(const std::string&)>& has_encoder);
/// The same with the encoders of the FFmpeg that this program runs with.
std::string usable_codec(const std::string& asked, const std::vector<std::string>& also);
/// Whether this FFmpeg can write H.264.
bool can_write_h264();

/// Where the formats of the video NAME lie, relative to the sample directory.
std::string video_file(const std::string& codec, const std::string& stem);
std::string other_file(const std::string& format, const std::string& stem);
/// An MP4 for browsers, beside a video that they cannot play.
std::string preview_file(const std::string& stem);

/// The folders that the above lie in.
const std::vector<std::string>& output_folders();

}  // namespace echopath::generation
