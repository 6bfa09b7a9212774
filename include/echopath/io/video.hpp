#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "echopath/io/frames.hpp"

namespace echopath::io {

/// Decodes a whole video (AVI, MP4, MOV, animated GIF… through FFmpeg's libraries) to grey
/// (channels = 1, BT.601 luma) or RGB (channels = 3). `fps` is the stream's average frame rate.
/// Throws DataError naming the file and FFmpeg's reason; a stream without frames is an error.
Frames read_video(const std::filesystem::path& path, int channels = 1);

struct VideoWriterOptions {
  std::string codec = "h264";  ///< h264 (MP4, yuv420p), ffv1 (AVI, lossless grey), gif
  std::int64_t width = 112;
  std::int64_t height = 112;
  std::int64_t channels = 1;   ///< of the frames handed to write()
  double fps = 32.0;
  int crf = 14;                ///< H.264 quality
  int threads = 1;             ///< fixed, so that bytes do not depend on the machine
  std::map<std::string, std::string> metadata;
};

/// Writes frames as they come; the file appears under its final name at finish().
class VideoWriter {
 public:
  /// Throws DataError (path, codec) where the file or encoder cannot be opened.
  VideoWriter(const std::filesystem::path& path, const VideoWriterOptions& options);
  ~VideoWriter();
  VideoWriter(const VideoWriter&) = delete;
  VideoWriter& operator=(const VideoWriter&) = delete;

  /// One frame, [H, W, C] bytes.
  void write(const std::uint8_t* frame);
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes all frames in one go; codec by extension: .mp4 h264, .avi ffv1, .gif gif.
void write_video(const std::filesystem::path& path, const Frames& frames,
                 const std::map<std::string, std::string>& metadata = {});

/// The metadata tags of a container (title, comment…).
std::map<std::string, std::string> read_video_metadata(const std::filesystem::path& path);

}  // namespace echopath::io
