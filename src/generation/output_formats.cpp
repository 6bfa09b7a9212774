#include "generation/output_formats.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/media_support.hpp"

namespace echopath::generation {
namespace {

struct Codec {
  const char* name;
  const char* other_name;
  const char* encoder;
  const char* extension;
  const char* words;
};
constexpr Codec kCodecs[] = {{"h264", "mp4", "libx264", ".mp4", "H.264 MP4"},
                             {"ffv1", "avi", "ffv1", ".avi", "lossless FFV1 AVI"}};

struct Format {
  const char* name;
  const char* folder;
  const char* ending;
};
constexpr Format kFormats[] = {{"gif", "GIF", ".gif"},
                               {"png", "PNG", ""},
                               {"latents", "Latents", ".safetensors"},
                               {"dicom", "DICOM", ".dcm"}};

bool ffmpeg_has(const std::string& encoder) {
  for (const io::EncoderSupport& known : io::media_support().encoders) {
    if (known.name == encoder) return known.available;
  }
  return false;
}

}  // namespace

const std::vector<std::string>& video_codecs() {
  static const std::vector<std::string> names = {"h264", "ffv1"};
  return names;
}

const std::vector<std::string>& other_formats() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Format& format : kFormats) list.emplace_back(format.name);
    return list;
  }();
  return names;
}

std::vector<std::string> without_repeats(const std::vector<std::string>& formats) {
  std::vector<std::string> once;
  for (const std::string& format : formats) {
    if (std::find(once.begin(), once.end(), format) == once.end()) once.push_back(format);
  }
  return once;
}

std::string usable_codec(const std::string& asked, const std::vector<std::string>& also,
                         const std::function<bool(const std::string&)>& has_encoder) {
  const std::string name = to_lower(asked);
  std::string why = "is not supported here (" + join(video_codecs(), " and ") + " are)";
  for (const Codec& codec : kCodecs) {
    if (name != codec.name && name != codec.other_name) continue;
    if (has_encoder(codec.encoder)) return codec.name;
    why = std::string("needs the encoder ") + codec.encoder + ", which this FFmpeg lacks";
  }
  const auto& others = other_formats();
  if (std::find(others.begin(), others.end(), name) != others.end()) {
    why += "; --also " + name + " writes it beside them";
  }
  for (const Codec& codec : kCodecs) {
    if (!has_encoder(codec.encoder)) continue;
    const bool plays = codec.name == std::string("h264") ||
                       std::find(also.begin(), also.end(), "gif") != also.end();
    log_warning("codec '" + asked + "' " + why + "; the videos are written as " + codec.words +
                " (" + codec.name + ")" +
                (plays ? "" : ", which index.html cannot play; --also gif gives it what it can"));
    return codec.name;
  }
  throw DataError("codec '" + asked + "' " + why +
                  ", and there is no other: install FFmpeg's libraries with libx264 or ffv1");
}

std::string usable_codec(const std::string& asked, const std::vector<std::string>& also) {
  return usable_codec(asked, also, &ffmpeg_has);
}

bool can_write_h264() {
  return ffmpeg_has("libx264");
}

std::string video_file(const std::string& codec, const std::string& stem) {
  for (const Codec& known : kCodecs) {
    if (codec == known.name) return "Videos/" + stem + known.extension;
  }
  throw UsageError("codec '" + codec + "' is none of " + join(video_codecs(), ", "));
}

std::string other_file(const std::string& format, const std::string& stem) {
  for (const Format& known : kFormats) {
    if (format == known.name) return std::string(known.folder) + "/" + stem + known.ending;
  }
  throw UsageError("format '" + format + "' is unknown; use " + join(other_formats(), ", "));
}

std::string preview_file(const std::string& stem) {
  return "Previews/" + stem + ".mp4";
}

const std::vector<std::string>& output_folders() {
  static const std::vector<std::string> folders = {"Videos", "Previews", "GIF",
                                                   "PNG",    "Latents",  "DICOM"};
  return folders;
}

}  // namespace echopath::generation
