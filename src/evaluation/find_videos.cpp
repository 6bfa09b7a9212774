#include "evaluation/find_videos.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/io/image.hpp"

namespace echopath::evaluation {
namespace {

bool is_video_name(const fs::path& path) {
  constexpr std::array<const char*, 8> kKnown = {".avi", ".mp4",  ".mov", ".gif",
                                                 ".mkv", ".webm", ".wmv", ".m4v"};
  const std::string extension = to_lower(path.extension().string());
  return std::find(kKnown.begin(), kKnown.end(), extension) != kKnown.end();
}

/// Files below a folder relative to it, sorted by path, hidden ones and those in hidden folders
/// left out.
std::vector<fs::path> files_below(const fs::path& directory) {
  std::vector<fs::path> files;
  try {
    auto entry = fs::recursive_directory_iterator(directory);
    for (; entry != fs::recursive_directory_iterator(); ++entry) {
      if (entry->path().filename().string().starts_with(".")) {
        if (entry->is_directory()) entry.disable_recursion_pending();
      } else if (entry->is_regular_file()) {
        files.push_back(entry->path().lexically_relative(directory));
      }
    }
  } catch (const fs::filesystem_error& error) {
    throw DataError("'" + directory.string() + "' cannot be read: " + error.code().message());
  }
  std::sort(files.begin(), files.end(),
            [](const fs::path& a, const fs::path& b) { return a.string() < b.string(); });
  return files;
}

/// The first folder of a video's path; `Videos` is a dataset's, and no class.
std::string class_of(const fs::path& relative) {
  const std::string first = relative.has_parent_path() ? relative.begin()->string() : "";
  return first == "Videos" ? "" : first;
}

VideoItem item_of(const fs::path& directory, const fs::path& relative) {
  VideoItem item;
  item.name = relative.string();
  item.class_name = class_of(relative);
  item.patient = item.name;
  item.path = directory / relative;
  return item;
}

FoundVideos from_pictures(const fs::path& directory, const std::vector<fs::path>& pictures) {
  FoundVideos found;
  const bool flat = std::none_of(pictures.begin(), pictures.end(),
                                 [](const fs::path& picture) { return picture.has_parent_path(); });
  found.source = flat ? VideoSource::kPictures : VideoSource::kFrameFolders;
  std::map<std::string, std::size_t> index_of;
  for (const fs::path& picture : pictures) {
    const fs::path video = flat ? picture : picture.parent_path();
    const auto [place, is_new] = index_of.emplace(video.string(), found.videos.size());
    if (is_new) found.videos.push_back(item_of(directory, video));
    found.videos[place->second].pictures.push_back(directory / picture);
  }
  return found;
}

}  // namespace

FoundVideos find_videos(const fs::path& directory) {
  std::vector<fs::path> pictures;
  FoundVideos found;
  for (const fs::path& file : files_below(directory)) {
    if (io::is_image_name(file)) pictures.push_back(file);
    if (is_video_name(file)) found.videos.push_back(item_of(directory, file));
  }
  if (!pictures.empty() && !found.videos.empty()) {
    throw DataError("'" + directory.string() + "' holds pictures ('" + pictures.front().string() +
                    "') and videos ('" + found.videos.front().name +
                    "') and no FileList.csv; leave one kind there");
  }
  if (!pictures.empty()) return from_pictures(directory, pictures);
  if (found.videos.empty()) {
    throw DataError("'" + directory.string() +
                    "' holds no video: neither FileList.csv, nor video files, nor pictures");
  }
  return found;
}

}  // namespace echopath::evaluation
