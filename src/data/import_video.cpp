#include "data/import_source.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/video.hpp"

namespace echopath::data {
namespace {

/// EchoNet-Dynamic's layout, and that of our own datasets.
bool has_file_list(const fs::path& source) {
  return fs::is_regular_file(source / "FileList.csv") && fs::is_directory(source / "Videos");
}

SourceListing list_by_file_list(const fs::path& source) {
  SourceListing listing;
  listing.prepared = true;
  const Dataset dataset = Dataset::open(source, /*check_videos=*/false);
  for (const Study& study : dataset.studies()) {
    SourceClip clip;
    clip.path = dataset.video_path(study);
    if (clip.path.empty()) {
      listing.unmatched_rows.push_back({source / "Videos" / study.file_name,
                                        "is listed in FileList.csv but missing; restore it or "
                                        "remove the row"});
      continue;
    }
    clip.study = study;
    clip.study.file_name = study.stem();
    clip.names = names_of(clip.path, source / "Videos");
    listing.clips.push_back(std::move(clip));
  }
  return listing;
}

}  // namespace

SourceListing list_videos(const fs::path& source) {
  if (has_file_list(source)) return list_by_file_list(source);
  SourceListing listing;
  for (const fs::path& path : files_under(source)) {
    if (!is_video_file(path)) continue;
    SourceClip clip;
    clip.path = path;
    clip.names = names_of(path, source);
    fs::path relative =
        fs::is_directory(source) ? path.lexically_relative(source) : path.filename();
    if (std::distance(relative.begin(), relative.end()) > 1) {
      const std::string folder = relative.begin()->string();
      const std::string known = class_of_folder(folder);
      clip.study.class_name = known.empty() ? folder : known;
    }
    std::vector<std::string> parts;
    for (const fs::path& part : relative.replace_extension()) parts.push_back(part.string());
    clip.study.file_name = join(parts, "_");
    clip.names.push_back(clip.study.file_name);
    clip.study.patient_id = clip.study.file_name;
    listing.clips.push_back(std::move(clip));
  }
  return listing;
}

DecodedClip decode_video(const SourceClip& clip) {
  DecodedClip decoded;
  io::TimedVideo video = io::read_timed_video(clip.path, 1);
  decoded.frames = std::move(video.frames);
  decoded.frame_seconds = std::move(video.frame_seconds);
  decoded.study = clip.study;
  decoded.names = clip.names;
  decoded.patient_names = {clip.study.patient_id};
  return decoded;
}

}  // namespace echopath::data
