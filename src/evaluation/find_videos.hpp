#pragma once

#include "echopath/evaluation/video_set.hpp"

namespace echopath::evaluation {

struct FoundVideos {
  VideoSource source = VideoSource::kVideoFiles;
  std::vector<VideoItem> videos;
};

/// The videos below a folder without a list (see VideoSet). Throws DataError where there is none,
/// and on pictures and video files mixed.
FoundVideos find_videos(const std::filesystem::path& directory);

}  // namespace echopath::evaluation
