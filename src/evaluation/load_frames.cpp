#include <future>
#include <numeric>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/evaluation/video_set.hpp"
#include "echopath/io/image.hpp"
#include "echopath/io/video.hpp"

namespace echopath::evaluation {
namespace {

io::Frames from_pictures(const std::vector<fs::path>& pictures, int channels) {
  io::Frames frames;
  for (const fs::path& picture : pictures) {
    io::Frames one = io::read_image(picture, channels);
    if (frames.count == 0) {
      frames = std::move(one);
      frames.pixels.reserve(frames.pixels.size() * pictures.size());
      continue;
    }
    if (one.height != frames.height || one.width != frames.width) {
      throw DataError("picture '" + picture.string() + "' is " + std::to_string(one.width) + "x" +
                      std::to_string(one.height) + ", those before it are " +
                      std::to_string(frames.width) + "x" + std::to_string(frames.height) +
                      "; the frames of one video must have one size");
    }
    frames.pixels.insert(frames.pixels.end(), one.pixels.begin(), one.pixels.end());
    ++frames.count;
  }
  return frames;
}

}  // namespace

io::Frames load_frames(const VideoItem& video, int channels) {
  io::Frames frames = video.pictures.empty() ? io::read_video(video.path, channels)
                                             : from_pictures(video.pictures, channels);
  if (video.fps > 0.0) frames.fps = video.fps;
  return frames;
}

std::string content_hash(const VideoItem& video) {
  if (video.pictures.empty()) return sha256_file(video.path);
  std::string hashes;
  for (const fs::path& picture : video.pictures) hashes += sha256_file(picture);
  return sha256_hex(hashes);
}

io::Frames slice(const io::Frames& frames, std::int64_t start, std::int64_t count) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), start);
  return select(frames, indices);
}

io::Frames select(const io::Frames& frames, const std::vector<std::int64_t>& indices) {
  io::Frames chosen;
  chosen.count = static_cast<std::int64_t>(indices.size());
  chosen.height = frames.height;
  chosen.width = frames.width;
  chosen.channels = frames.channels;
  chosen.fps = frames.fps;
  chosen.pixels.reserve(static_cast<std::size_t>(chosen.count * chosen.frame_size()));
  for (const std::int64_t t : indices) {
    const std::uint8_t* frame = frames.frame(t);
    chosen.pixels.insert(chosen.pixels.end(), frame, frame + frames.frame_size());
  }
  return chosen;
}

void for_each_video(const std::vector<VideoItem>& videos, int channels,
                    const std::function<void(std::size_t, const io::Frames&)>& work) {
  const auto start = [&](std::size_t index) {
    return std::async(std::launch::async,
                      [&video = videos[index], channels] { return load_frames(video, channels); });
  };
  std::future<io::Frames> next;
  if (!videos.empty()) next = start(0);
  for (std::size_t i = 0; i < videos.size(); ++i) {
    throw_if_interrupted("stopped by a signal before video " + std::to_string(i + 1) + " of " +
                         std::to_string(videos.size()));
    const io::Frames frames = next.get();
    if (i + 1 < videos.size()) next = start(i + 1);
    work(i, frames);
  }
}

}  // namespace echopath::evaluation
