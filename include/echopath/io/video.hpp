#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "echopath/io/frames.hpp"

namespace echopath::io {

/// Decodes a whole video (AVI, MP4, MOV, animated GIF… through FFmpeg's libraries) to grey
/// (channels = 1, BT.601 luma) or RGB (channels = 3) of 0…255. Grey stored as such is returned
/// unchanged; video levels (16…235) are stretched. `fps` is the stream's average frame rate, or the
/// mean rate of the frames' own times where these do not fit it; 0 where there is neither.
/// Playlists and other files that name files are not opened. Throws DataError naming the file and
/// FFmpeg's reason, where a frame is damaged, and where there is no frame. A file that decodes
/// cleanly to fewer frames than its header states gets a warning.
Frames read_video(const std::filesystem::path& path, int channels = 1);

/// A video with the times of its frames.
struct TimedVideo {
  Frames frames;
  /// When each frame is shown, from 0, ascending; empty where the frames are evenly spaced, one
  /// each 1/fps seconds. Where they are not, `frames.fps` is their mean rate.
  std::vector<double> frame_seconds;
};

/// The same as read_video, with the times that the container gives the frames. Times that lack or
/// go backwards are left aside.
TimedVideo read_timed_video(const std::filesystem::path& path, int channels = 1);

/// The frames with these numbers (ascending, from 0) of a video, as read_video decodes them; memory
/// holds no others. Throws DataError where the video has fewer.
Frames read_video_frames(const std::filesystem::path& path,
                         const std::vector<std::int64_t>& numbers, int channels = 1);

struct VideoWriterOptions {
  /// h264 (MP4, yuv420p; odd sizes repeat the last row or column), ffv1 (AVI, lossless), gif
  /// (lossless for grey, a fixed palette of 256 colours else).
  std::string codec = "h264";
  std::int64_t width = 112;
  std::int64_t height = 112;
  std::int64_t channels = 1;  ///< of the frames handed to write(): 1 or 3
  double fps = 32.0;
  int crf = 14;     ///< H.264 quality
  int threads = 1;  ///< fixed, so that bytes do not depend on the machine
  /// Tags of the container. MP4 keeps any key, AVI those it knows (title, comment, artist…), GIF
  /// the comment alone.
  std::map<std::string, std::string> metadata;
};

/// Writes frames as they come; the file appears under its final name at finish(). The same frames
/// and options give the same bytes. A write that fails is a DataError naming the path.
class VideoWriter {
 public:
  /// Throws DataError (path, codec) where the file or encoder cannot be opened, UsageError on an
  /// option that makes no sense.
  VideoWriter(const std::filesystem::path& path, const VideoWriterOptions& options);
  ~VideoWriter();
  VideoWriter(const VideoWriter&) = delete;
  VideoWriter& operator=(const VideoWriter&) = delete;

  /// One frame, [H, W, C] bytes.
  void write(const std::uint8_t* frame);
  /// Throws DataError where no frame was written.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes all frames in one go; codec by extension: .mp4 h264, .avi ffv1, .gif gif. 32 fps where
/// the frames state no rate.
void write_video(const std::filesystem::path& path, const Frames& frames,
                 const std::map<std::string, std::string>& metadata = {});

/// The metadata tags of a container (title, comment…).
std::map<std::string, std::string> read_video_metadata(const std::filesystem::path& path);

}  // namespace echopath::io
