#include <algorithm>
#include <cstdio>
#include <opencv2/imgproc.hpp>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/png.hpp"
#include "echopath/io/video.hpp"
#include "generation/gallery.hpp"

namespace echopath::generation {
namespace {

constexpr std::size_t kMostRows = 64;
constexpr int kColumns = 12;
constexpr int kCaptionWidth = 128;
constexpr int kGap = 2;

/// The frame of a column.
std::int64_t shown_frame(std::int64_t frames, int column) {
  return (frames - 1) * column / (kColumns - 1);
}

/// The frames of all columns, each once: a long video is not in memory whole.
std::vector<std::int64_t> shown_frames(std::int64_t frames) {
  std::vector<std::int64_t> numbers;
  for (int column = 0; column < kColumns; ++column) {
    const std::int64_t number = shown_frame(frames, column);
    if (numbers.empty() || numbers.back() != number) numbers.push_back(number);
  }
  return numbers;
}

/// Frames of a video of a run. Where it is damaged, the error says what helps.
io::Frames frames_of(const fs::path& video, const std::vector<std::int64_t>& numbers) {
  try {
    return io::read_video_frames(video, numbers);
  } catch (const DataError& error) {
    throw DataError(std::string(error.what()) + "; remove it, and --resume makes it anew");
  }
}

void write_caption(cv::Mat& sheet, int top, const ManifestEntry& entry) {
  char scale[32];
  std::snprintf(scale, sizeof(scale), "w %g", entry.guidance_scale);
  const std::string lines[] = {entry.class_name, "seed " + std::to_string(entry.seed), scale,
                               std::to_string(entry.frames) + " frames"};
  int y = top + 16;
  for (const std::string& line : lines) {
    cv::putText(sheet, line, {4, y}, cv::FONT_HERSHEY_SIMPLEX, 0.42, cv::Scalar(230), 1,
                cv::LINE_AA);
    y += 16;
  }
}

}  // namespace

void write_contact_sheet(const std::filesystem::path& directory,
                         const std::vector<ManifestEntry>& entries,
                         const std::filesystem::path& png) {
  const std::size_t rows = std::min(entries.size(), kMostRows);
  int tile_height = 0;
  int tile_width = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    tile_height = std::max(tile_height, static_cast<int>(entries[i].height));
    tile_width = std::max(tile_width, static_cast<int>(entries[i].width));
  }
  const int row_height = std::max(tile_height, 72) + kGap;
  cv::Mat sheet(static_cast<int>(rows) * row_height, kCaptionWidth + kColumns * (tile_width + kGap),
                CV_8UC1, cv::Scalar(16));
  for (std::size_t i = 0; i < rows; ++i) {
    const int top = static_cast<int>(i) * row_height;
    write_caption(sheet, top, entries[i]);
    const std::vector<std::int64_t> numbers = shown_frames(entries[i].frames);
    io::Frames frames = frames_of(directory / entries[i].file, numbers);
    for (int column = 0; column < kColumns; ++column) {
      const auto at =
          std::lower_bound(numbers.begin(), numbers.end(), shown_frame(entries[i].frames, column));
      const cv::Mat tile(static_cast<int>(frames.height), static_cast<int>(frames.width), CV_8UC1,
                         frames.frame(at - numbers.begin()));
      const cv::Rect place(kCaptionWidth + column * (tile_width + kGap), top, tile.cols, tile.rows);
      tile.copyTo(sheet(place));
    }
  }
  write_file(png, io::png_of(sheet));
}

}  // namespace echopath::generation
