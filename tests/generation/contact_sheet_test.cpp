#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>

#include "echopath/io/video.hpp"
#include "generation/gallery.hpp"
#include "toy_model.hpp"

namespace echopath::generation {
namespace {

using testing::TemporaryFolder;

constexpr int kSize = 28;
constexpr int kCaptionWidth = 128;
constexpr int kTileWidth = kSize + 2;
constexpr int kRowHeight = 72 + 2;  // what a caption takes
/// The frames of twenty that twelve columns show.
constexpr int kShown[] = {0, 1, 3, 5, 6, 8, 10, 12, 13, 15, 17, 19};

/// Writes a lossless video whose frame t is all of the grey level `first` + 10 t.
ManifestEntry write_ramp(const TemporaryFolder& folder, const std::string& file, int first,
                         std::int64_t count) {
  io::Frames frames;
  frames.count = count;
  frames.height = frames.width = kSize;
  frames.fps = 32.0;
  for (std::int64_t t = 0; t < count; ++t) {
    frames.pixels.insert(frames.pixels.end(), static_cast<std::size_t>(frames.frame_size()),
                         static_cast<std::uint8_t>(first + 10 * t));
  }
  io::write_video(folder / file, frames);
  ManifestEntry entry;
  entry.file = file;
  entry.class_name = "ASD";
  entry.frames = count;
  entry.height = entry.width = kSize;
  return entry;
}

cv::Mat sheet_of(const TemporaryFolder& folder, const std::vector<ManifestEntry>& entries) {
  write_contact_sheet(folder / "", entries, folder / "sheet.png");
  return cv::imread((folder / "sheet.png").string(), cv::IMREAD_UNCHANGED);
}

/// The mean grey level of a tile.
double shown_at(const cv::Mat& sheet, int row, int column) {
  const cv::Rect tile(kCaptionWidth + column * kTileWidth, row * kRowHeight, kSize, kSize);
  return cv::mean(sheet(tile))[0];
}

TEST(ContactSheet, ShowsFramesSpreadOverEachVideoInARowOfItsOwn) {
  const TemporaryFolder folder;
  const cv::Mat sheet = sheet_of(
      folder, {write_ramp(folder, "dark.avi", 5, 20), write_ramp(folder, "bright.avi", 55, 20),
               write_ramp(folder, "still.avi", 200, 1)});
  ASSERT_EQ(sheet.type(), CV_8UC1);
  ASSERT_EQ(sheet.rows, 3 * kRowHeight);
  ASSERT_EQ(sheet.cols, kCaptionWidth + 12 * kTileWidth);
  for (int column = 0; column < 12; ++column) {
    EXPECT_NEAR(shown_at(sheet, 0, column), 5 + 10 * kShown[column], 2) << column;
    EXPECT_NEAR(shown_at(sheet, 1, column), 55 + 10 * kShown[column], 2) << column;
    EXPECT_NEAR(shown_at(sheet, 2, column), 200, 2) << column;
  }
}

TEST(ContactSheet, OfALongRunShowsTheFirst64Videos) {
  const TemporaryFolder folder;
  std::vector<ManifestEntry> entries(64, write_ramp(folder, "first.avi", 100, 1));
  entries.push_back(write_ramp(folder, "beyond.avi", 200, 1));
  const cv::Mat sheet = sheet_of(folder, entries);
  ASSERT_EQ(sheet.rows, 64 * kRowHeight);
  EXPECT_NEAR(shown_at(sheet, 63, 0), 100, 2);
}

}  // namespace
}  // namespace echopath::generation
