#include "echopath/evaluation/video_set.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/generation/manifest.hpp"
#include "evaluation/find_videos.hpp"

namespace echopath::evaluation {
namespace {

std::vector<VideoItem> listed_videos(const data::Dataset& dataset) {
  std::vector<VideoItem> videos;
  for (const data::Study& study : dataset.studies()) {
    VideoItem item;
    item.name = study.stem();
    item.class_name = study.class_name;
    item.patient = study.patient_id;
    item.split = study.split;
    item.fps = study.fps;
    item.path = dataset.video_path(study);
    videos.push_back(std::move(item));
  }
  return videos;
}

void require_patients_in_one_split(const std::vector<VideoItem>& videos, const fs::path& where) {
  std::map<std::string, std::string> split_of;
  for (const VideoItem& video : videos) {
    const auto [first, is_new] = split_of.emplace(video.patient, video.split);
    if (is_new || first->second == video.split) continue;
    throw DataError((where / "FileList.csv").string() + ": patient " + quoted_text(video.patient) +
                    " is in " + first->second + " and in " + video.split +
                    ", so that figures on one of them would be too good; give each patient one "
                    "split (`echopath import --split` does)");
  }
}

std::vector<std::string> distinct(const std::vector<VideoItem>& videos,
                                  std::string VideoItem::*member) {
  std::vector<std::string> values;
  std::set<std::string> seen;
  for (const VideoItem& video : videos) {
    if (!(video.*member).empty() && seen.insert(video.*member).second) {
      values.push_back(video.*member);
    }
  }
  return values;
}

/// Keeps the videos whose `member` is one of `wanted`; each of these must be there.
void keep(std::vector<VideoItem>& videos, std::string VideoItem::*member,
          const std::vector<std::string>& wanted, const std::string& what, const fs::path& where) {
  const std::vector<std::string> known = distinct(videos, member);
  for (const std::string& value : wanted) {
    if (std::find(known.begin(), known.end(), value) != known.end()) continue;
    throw DataError(
        "'" + where.string() + "' has no video of " + what + " " + quoted_text(value) +
        (known.empty() ? ": none is stated there" : "; there are " + one_line(join(known, ", "))));
  }
  std::erase_if(videos, [&](const VideoItem& video) {
    return std::find(wanted.begin(), wanted.end(), video.*member) == wanted.end();
  });
}

}  // namespace

VideoSet VideoSet::open(const fs::path& directory, const VideoSetOptions& options) {
  require_directory(directory, "folder of videos");
  VideoSet set;
  set.directory_ = directory;
  set.sampled_ = fs::is_regular_file(directory / generation::kManifest);
  if (fs::is_regular_file(directory / "FileList.csv")) {
    set.videos_ = listed_videos(data::Dataset::open(directory));
    if (options.refuse_shared_patients) require_patients_in_one_split(set.videos_, directory);
  } else {
    FoundVideos found = find_videos(directory);
    set.source_ = found.source;
    set.videos_ = std::move(found.videos);
  }
  if (!options.classes.empty()) {
    keep(set.videos_, &VideoItem::class_name, options.classes, "class", directory);
  }
  if (!options.split.empty()) {
    keep(set.videos_, &VideoItem::split, {options.split}, "split", directory);
  }
  return set;
}

std::vector<std::string> VideoSet::class_names() const {
  return distinct(videos_, &VideoItem::class_name);
}

std::int64_t VideoSet::patient_count() const {
  return static_cast<std::int64_t>(distinct(videos_, &VideoItem::patient).size());
}

std::string to_string(VideoSource source) {
  switch (source) {
    case VideoSource::kDataset:
      return "dataset";
    case VideoSource::kVideoFiles:
      return "video files";
    case VideoSource::kFrameFolders:
      return "frame folders";
    case VideoSource::kPictures:
      return "pictures";
  }
  return "";
}

}  // namespace echopath::evaluation
