#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "echopath/io/frames.hpp"

namespace echopath::evaluation {

/// One video of a set.
struct VideoItem {
  std::string name;            ///< unique in its set: the list's name, or the path below the folder
  std::string class_name;      ///< empty where unknown
  std::string patient;         ///< the video's own name where none is known
  std::string split;           ///< TRAIN, VAL or TEST; empty where unknown
  double fps = 0.0;            ///< as the list says; 0 where it does not
  std::filesystem::path path;  ///< of the video file, or of the folder of frames
  std::vector<std::filesystem::path> pictures;  ///< of the frames, in order; empty for a video file
};

/// What a set was made from.
enum class VideoSource {
  kDataset,       ///< FileList.csv + Videos/, a sample directory too
  kVideoFiles,    ///< a folder of video files
  kFrameFolders,  ///< a folder of folders of pictures, StyleGAN-V's layout
  kPictures,      ///< a folder of pictures: each is a video of one frame
};

struct VideoSetOptions {
  std::string split = {};                 ///< only videos of this split; empty for all
  std::vector<std::string> classes = {};  ///< only videos of these classes; empty for all
  /// Refuse a list in which a patient is in two splits: what is trained on one of them and
  /// measured on the other looks too good.
  bool refuse_shared_patients = true;
};

/// Videos to be measured: a dataset directory (FileList.csv + Videos/), a sample directory, a
/// folder of video files, of folders of pictures (PNG, JPEG…), or of pictures. Names only; videos
/// are read one by one when they are asked for.
///
/// Without a list, everything below the folder is taken in the order of its path, hidden files
/// left out. The class is then the name of the first folder below it where there are folders in
/// excess: DIR/CLASS/x.mp4, DIR/CLASS/x/0001.png; and each video is its own patient.
class VideoSet {
 public:
  /// Throws DataError on a folder without videos, a split or class that is not there (naming
  /// those that are), pictures and videos mixed, and a patient in two splits.
  static VideoSet open(const std::filesystem::path& directory, const VideoSetOptions& options = {});

  const std::filesystem::path& directory() const { return directory_; }
  VideoSource source() const { return source_; }
  /// Whether it is the output of `echopath sample` (it holds a manifest).
  bool is_sampled() const { return sampled_; }
  const std::vector<VideoItem>& videos() const { return videos_; }
  std::int64_t size() const { return static_cast<std::int64_t>(videos_.size()); }
  /// In first-seen order, the empty name left out.
  std::vector<std::string> class_names() const;
  std::int64_t patient_count() const;

 private:
  std::filesystem::path directory_;
  VideoSource source_ = VideoSource::kDataset;
  bool sampled_ = false;
  std::vector<VideoItem> videos_;
};

/// "dataset", "video files", "frame folders" or "pictures".
std::string to_string(VideoSource source);

/// All frames of a video, grey (channels = 1) or RGB (3). The rate is the list's, or else the
/// file's. Throws DataError naming the file, also where the pictures of a video differ in size.
io::Frames load_frames(const VideoItem& video, int channels = 1);

/// SHA-256 of the bytes of the video file, or of those of its pictures in order.
std::string content_hash(const VideoItem& video);

/// Frames `start` … `start + count − 1` of a video. They must be there.
io::Frames slice(const io::Frames& frames, std::int64_t start, std::int64_t count);

/// Frames of a video at these places.
io::Frames select(const io::Frames& frames, const std::vector<std::int64_t>& indices);

/// Calls `work(place in videos, frames)` for each of the videos in turn, the next one being decoded
/// by another thread meanwhile, so that memory holds two. Throws what reading or `work` throws, and
/// Interrupted after a signal.
void for_each_video(const std::vector<VideoItem>& videos, int channels,
                    const std::function<void(std::size_t index, const io::Frames& frames)>& work);

}  // namespace echopath::evaluation
