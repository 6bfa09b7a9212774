#include "echopath/io/video.hpp"

#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstdlib>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "io/video_frames.hpp"

namespace echopath::io {
namespace {

/// A moving ramp that holds every grey level.
Frames ramp(std::int64_t count, std::int64_t height, std::int64_t width, std::int64_t channels = 1,
            double fps = 32.0) {
  Frames frames{count, height, width, channels, fps, {}};
  for (std::int64_t t = 0; t < count; ++t) {
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x) {
        for (std::int64_t c = 0; c < channels; ++c) {
          frames.pixels.push_back(static_cast<std::uint8_t>(x * 4 + y * 2 + t * 3 + c * 40));
        }
      }
    }
  }
  return frames;
}

/// A disc that moves over a soft background, as codecs like it.
Frames moving_disc(std::int64_t count, std::int64_t height, std::int64_t width) {
  Frames frames{count, height, width, 1, 25.0, {}};
  for (std::int64_t t = 0; t < count; ++t) {
    for (std::int64_t y = 0; y < height; ++y) {
      for (std::int64_t x = 0; x < width; ++x) {
        const double distance =
            std::hypot(static_cast<double>(x - 20 - t), static_cast<double>(y - 24));
        const double level = 40.0 + 160.0 / (1.0 + std::exp((distance - 10.0) / 2.0));
        frames.pixels.push_back(static_cast<std::uint8_t>(std::lround(level)));
      }
    }
  }
  return frames;
}

int largest_difference(const Frames& a, const Frames& b) {
  int largest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    largest = std::max(largest, std::abs(int{a.pixels[i]} - int{b.pixels[i]}));
  }
  return largest;
}

class Video : public testing::Test {
 protected:
  TemporaryDirectory folder_;
};

using VideoRoundTrip = Video;
using VideoTags = Video;
using VideoFaults = Video;

TEST_F(VideoRoundTrip, GreyFfv1IsExact) {
  const Frames frames = ramp(9, 37, 64, 1, 50.0);
  write_video(folder_ / "a.avi", frames);
  const Frames back = read_video(folder_ / "a.avi");
  EXPECT_EQ(back.count, 9);
  EXPECT_EQ(back.height, 37);
  EXPECT_EQ(back.width, 64);
  EXPECT_EQ(back.channels, 1);
  EXPECT_DOUBLE_EQ(back.fps, 50.0);
  EXPECT_EQ(back.pixels, frames.pixels);
}

TEST_F(VideoRoundTrip, GreyFfv1AsRgbHasThreeEqualChannels) {
  const Frames frames = ramp(3, 16, 64);
  write_video(folder_ / "a.avi", frames);
  const Frames back = read_video(folder_ / "a.avi", 3);
  ASSERT_EQ(back.pixels.size(), 3 * frames.pixels.size());
  for (std::size_t i = 0; i < back.pixels.size(); ++i) {
    ASSERT_EQ(back.pixels[i], frames.pixels[i / 3]) << i;
  }
}

TEST_F(VideoRoundTrip, ColourFfv1IsExact) {
  const Frames frames = ramp(4, 15, 33, 3);
  write_video(folder_ / "a.avi", frames);
  EXPECT_EQ(read_video(folder_ / "a.avi", 3).pixels, frames.pixels);
}

TEST_F(VideoRoundTrip, ColourIsReadAsLuma) {
  Frames frames{1, 16, 16, 3, 32.0, std::vector<std::uint8_t>(16 * 16 * 3)};
  const std::uint8_t colours[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {77, 77, 77}};
  for (std::size_t i = 0; i < 256; ++i) {
    std::copy_n(colours[i / 64], 3, frames.pixels.begin() + static_cast<std::ptrdiff_t>(3 * i));
  }
  write_video(folder_ / "a.avi", frames);
  const Frames grey = read_video(folder_ / "a.avi");
  EXPECT_EQ(grey.pixels[0], 76);
  EXPECT_EQ(grey.pixels[64], 150);
  EXPECT_EQ(grey.pixels[128], 29);
  EXPECT_EQ(grey.pixels[192], 77);
}

TEST_F(VideoRoundTrip, H264KeepsLevelsSizeAndRate) {
  const Frames frames = moving_disc(20, 48, 64);
  write_video(folder_ / "a.mp4", frames);
  const Frames back = read_video(folder_ / "a.mp4");
  EXPECT_EQ(back.count, 20);
  EXPECT_EQ(back.height, 48);
  EXPECT_EQ(back.width, 64);
  EXPECT_DOUBLE_EQ(back.fps, 25.0);
  EXPECT_LE(largest_difference(frames, back), 8);
}

TEST_F(VideoRoundTrip, H264KeepsBlackAndWhite) {
  for (const int level : {0, 16, 128, 235, 255}) {
    Frames frames{4, 32, 32, 1, 32.0, {}};
    frames.pixels.assign(4 * 32 * 32, static_cast<std::uint8_t>(level));
    write_video(folder_ / "a.mp4", frames);
    EXPECT_LE(largest_difference(frames, read_video(folder_ / "a.mp4")), 1) << level;
    const Frames colour = read_video(folder_ / "a.mp4", 3);
    for (const std::uint8_t value : colour.pixels) ASSERT_NEAR(value, level, 2);
  }
}

TEST_F(VideoRoundTrip, H264RepeatsTheLastRowAndColumnOfOddSizes) {
  const Frames frames = moving_disc(5, 47, 63);
  write_video(folder_ / "a.mp4", frames);
  const Frames back = read_video(folder_ / "a.mp4");
  EXPECT_EQ(back.height, 48);
  EXPECT_EQ(back.width, 64);
  EXPECT_EQ(back.count, 5);
  EXPECT_NEAR(back.frame(2)[47 * 64 + 10], frames.frame(2)[46 * 63 + 10], 6);
  EXPECT_NEAR(back.frame(2)[10 * 64 + 63], frames.frame(2)[10 * 63 + 62], 6);
}

TEST_F(VideoRoundTrip, ColourH264KeepsColour) {
  Frames frames{3, 32, 32, 3, 32.0, {}};
  for (int i = 0; i < 3 * 32 * 32; ++i) {
    frames.pixels.insert(frames.pixels.end(), {200, 60, 30});
  }
  write_video(folder_ / "a.mp4", frames);
  const Frames back = read_video(folder_ / "a.mp4", 3);
  EXPECT_NEAR(back.pixels[0], 200, 4);
  EXPECT_NEAR(back.pixels[1], 60, 4);
  EXPECT_NEAR(back.pixels[2], 30, 4);
}

TEST_F(VideoRoundTrip, GreyGifIsExact) {
  const Frames frames = ramp(16, 20, 64, 1, 25.0);
  write_video(folder_ / "a.gif", frames);
  const Frames back = read_video(folder_ / "a.gif");
  EXPECT_EQ(back.count, 16);
  EXPECT_EQ(back.pixels, frames.pixels);
  EXPECT_NEAR(back.fps, 25.0, 0.01);
}

TEST_F(VideoRoundTrip, GifRateIsRightToItsHundredthsOfSeconds) {
  write_video(folder_ / "a.gif", ramp(32, 16, 16, 1, 32.0));
  EXPECT_NEAR(read_video(folder_ / "a.gif").fps, 32.0, 0.7);
}

TEST_F(VideoRoundTrip, SameFramesGiveTheSameBytes) {
  const Frames frames = moving_disc(6, 48, 48);
  for (const char* extension : {".mp4", ".avi", ".gif"}) {
    const fs::path first = folder_ / (std::string("first") + extension);
    const fs::path second = folder_ / (std::string("second") + extension);
    write_video(first, frames, {{"title", "disc"}});
    write_video(second, frames, {{"title", "disc"}});
    EXPECT_EQ(sha256_file(first), sha256_file(second)) << extension;
  }
}

TEST_F(VideoRoundTrip, NamesThatLookLikeProtocolsAreFiles) {
  const Frames frames = ramp(2, 16, 16);
  write_video(folder_ / "concat:a.avi", frames);
  EXPECT_EQ(read_video(folder_ / "concat:a.avi").pixels, frames.pixels);
}

TEST_F(VideoTags, Mp4KeepsOwnKeys) {
  const std::map<std::string, std::string> tags = {
      {"title", "ASD_000001"}, {"comment", "a = 1; ü"}, {"echopath_seed", "42"}};
  write_video(folder_ / "a.mp4", ramp(2, 16, 16), tags);
  const auto back = read_video_metadata(folder_ / "a.mp4");
  for (const auto& [key, value] : tags) {
    ASSERT_TRUE(back.contains(key)) << key;
    EXPECT_EQ(back.at(key), value);
  }
}

TEST_F(VideoTags, AviKeepsTitleAndComment) {
  write_video(folder_ / "a.avi", ramp(2, 16, 16), {{"title", "T"}, {"comment", "C"}});
  const auto back = read_video_metadata(folder_ / "a.avi");
  EXPECT_EQ(back.at("title"), "T");
  EXPECT_EQ(back.at("comment"), "C");
}

TEST_F(VideoFaults, AMissingEmptyOrForeignFileIsNamed) {
  expect_error<DataError>([&] { read_video(folder_ / "none.avi"); }, "none.avi");
  write_file(folder_ / "empty.avi", "");
  expect_error<DataError>([&] { read_video(folder_ / "empty.avi"); }, "empty.avi");
  write_file(folder_ / "text.avi", std::string(5000, 'x'));
  expect_error<DataError>([&] { read_video(folder_ / "text.avi"); }, "text.avi");
  expect_error<DataError>([&] { read_video_metadata(folder_ / "text.avi"); }, "text.avi");
}

TEST_F(VideoFaults, APlaylistIsNotOpened) {
  write_video(folder_ / "a.avi", ramp(2, 16, 16));
  write_file(folder_ / "list.mp4", "ffconcat version 1.0\nfile a.avi\n");
  expect_error<DataError>([&] { read_video(folder_ / "list.mp4"); }, "list.mp4");
  write_file(folder_ / "hls.mp4",
             "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.avi\n#EXT-X-ENDLIST\n");
  expect_error<DataError>([&] { read_video(folder_ / "hls.mp4"); }, "hls.mp4");
}

TEST_F(VideoFaults, ATruncatedFileIsRefused) {
  for (const char* extension : {".avi", ".mp4"}) {
    const fs::path whole = folder_ / (std::string("whole") + extension);
    const fs::path cut = folder_ / (std::string("cut") + extension);
    write_video(whole, ramp(20, 64, 64));
    const std::string bytes = read_file(whole);
    write_file(cut, bytes.substr(0, bytes.size() / 2));
    expect_error<DataError>([&] { read_video(cut); }, cut.string());
  }
}

TEST_F(VideoFaults, ADamagedFrameIsRefused) {
  write_video(folder_ / "a.avi", ramp(20, 64, 64));
  std::string bytes = read_file(folder_ / "a.avi");
  for (std::size_t i = 0; i < 40; ++i) bytes[bytes.size() / 2 + i] = static_cast<char>(i * 37);
  write_file(folder_ / "a.avi", bytes);
  expect_error<DataError>([&] { read_video(folder_ / "a.avi"); }, "a.avi' is damaged");
  expect_error<DataError>([&] { read_video(folder_ / "a.avi"); },
                          "; copy the file again or take it out");
}

TEST_F(VideoFaults, NothingIsLeftOfAnUnfinishedVideo) {
  {
    VideoWriterOptions options;
    options.codec = "ffv1";
    VideoWriter writer(folder_ / "a.avi", options);
    writer.write(ramp(1, 112, 112).frame(0));
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(VideoFaults, AVideoWithoutFramesIsNotWritten) {
  expect_error<DataError>([&] { write_video(folder_ / "a.mp4", ramp(0, 16, 16)); }, "a.mp4");
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(VideoFaults, OptionsThatMakeNoSenseAreRefused) {
  const auto attempt = [&](auto change) {
    VideoWriterOptions options;
    change(options);
    VideoWriter writer(folder_ / "a.mp4", options);
  };
  expect_error<UsageError>([&] { attempt([](auto& o) { o.codec = "h265"; }); }, "h265");
  expect_error<UsageError>([&] { attempt([](auto& o) { o.width = 0; }); }, "0×112");
  expect_error<UsageError>([&] { attempt([](auto& o) { o.fps = std::nan(""); }); }, "frame rate");
  expect_error<UsageError>([&] { attempt([](auto& o) { o.channels = 2; }); }, "channels");
  expect_error<UsageError>([&] { write_video(folder_ / "a.mkv", ramp(2, 16, 16)); }, "a.mkv");
}

/// Files of this process may grow to a limit, as on a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

TEST_F(VideoFaults, AFullDiskIsAnErrorAndLeavesNothing) {
  Frames frames = ramp(40, 64, 64);
  std::uint32_t state = 1;
  for (std::uint8_t& pixel : frames.pixels) {
    state = state * 1664525U + 1013904223U;
    pixel = static_cast<std::uint8_t>(state >> 24);
  }
  for (const char* name : {"a.avi", "a.mp4", "a.gif"}) {
    const FullDisk full(20000);
    expect_error<DataError>([&] { write_video(folder_ / name, frames); }, name);
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

/// One 2×2 frame of a pixel format whose first bytes of plane 0 are given.
FramePtr frame_of(AVPixelFormat format, AVColorRange range,
                  const std::vector<std::uint8_t>& bytes) {
  FramePtr frame(av_frame_alloc());
  frame->format = format;
  frame->color_range = range;
  frame->width = frame->height = 2;
  EXPECT_EQ(av_frame_get_buffer(frame.get(), 0), 0);
  const std::size_t row = bytes.size() / 2;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    frame->data[0][i / row * static_cast<std::size_t>(frame->linesize[0]) + i % row] = bytes[i];
  }
  for (int plane = 1; plane < 3; ++plane) {
    if (frame->data[plane] != nullptr) frame->data[plane][0] = 128;
  }
  return frame;
}

std::vector<std::uint8_t> grey_of(const FramePtr& frame) {
  Frames frames;
  FrameCollector(frames, 1, "test").add(*frame);
  return frames.pixels;
}

TEST(VideoLevels, FullRangeStays) {
  const std::vector<std::uint8_t> levels = {0, 16, 235, 255};
  EXPECT_EQ(grey_of(frame_of(AV_PIX_FMT_GRAY8, AVCOL_RANGE_UNSPECIFIED, levels)), levels);
  EXPECT_EQ(grey_of(frame_of(AV_PIX_FMT_YUVJ420P, AVCOL_RANGE_UNSPECIFIED, levels)), levels);
  EXPECT_EQ(grey_of(frame_of(AV_PIX_FMT_YUV420P, AVCOL_RANGE_JPEG, levels)), levels);
}

TEST(VideoLevels, VideoRangeIsStretched) {
  const std::vector<std::uint8_t> levels = {0, 16, 126, 235};
  const std::vector<std::uint8_t> full = {0, 0, 128, 255};
  EXPECT_EQ(grey_of(frame_of(AV_PIX_FMT_YUV420P, AVCOL_RANGE_UNSPECIFIED, levels)), full);
  EXPECT_EQ(grey_of(frame_of(AV_PIX_FMT_YUV420P, AVCOL_RANGE_MPEG, levels)), full);
  EXPECT_EQ(grey_of(frame_of(AV_PIX_FMT_GRAY8, AVCOL_RANGE_MPEG, levels)), full);
}

TEST(VideoLevels, PackedLumaIsFound) {
  // U Y V Y, then the next row.
  const std::vector<std::uint8_t> packed = {128, 16, 128, 235, 128, 126, 128, 16};
  EXPECT_EQ(grey_of(frame_of(AV_PIX_FMT_UYVY422, AVCOL_RANGE_MPEG, packed)),
            (std::vector<std::uint8_t>{0, 255, 128, 0}));
}

TEST(VideoLevels, TablesAreInverseToWithinALevel) {
  const ByteTable narrow = full_to_video_levels(), wide = video_to_full_levels();
  EXPECT_EQ(narrow[0], 16);
  EXPECT_EQ(narrow[255], 235);
  for (int level = 0; level < 256; ++level) {
    EXPECT_NEAR(wide[narrow[static_cast<std::size_t>(level)]], level, 1);
  }
  for (int level = 16; level <= 235; ++level) {
    EXPECT_EQ(narrow[wide[static_cast<std::size_t>(level)]], level);
  }
}

TEST_F(Video, GifKeepsALongCommentAndStaysWhole) {
  const Frames frames = moving_disc(5, 16, 24);
  const std::string comment(600, 'c');
  write_video(folder_ / "a.gif", frames, {{"comment", comment}});
  EXPECT_EQ(read_video_metadata(folder_ / "a.gif").at("comment"), comment);
  EXPECT_EQ(read_video(folder_ / "a.gif").pixels, frames.pixels);
  EXPECT_EQ(read_file(folder_ / "a.gif").back(), ';');
}

TEST_F(Video, SingleFramesAreThoseOfTheWholeVideo) {
  const Frames frames = moving_disc(20, 16, 24);
  for (const char* name : {"a.avi", "a.mp4"}) {
    write_video(folder_ / name, frames);
    const Frames all = read_video(folder_ / name);
    const Frames some = read_video_frames(folder_ / name, {0, 7, 19});
    ASSERT_EQ(some.count, 3) << name;
    EXPECT_DOUBLE_EQ(some.fps, all.fps);
    const std::int64_t numbers[] = {0, 7, 19};
    for (std::int64_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(
          std::equal(some.frame(i), some.frame(i) + some.frame_size(), all.frame(numbers[i])))
          << name << " frame " << numbers[i];
    }
  }
  EXPECT_THROW(read_video_frames(folder_ / "a.avi", {3, 20}), DataError);
}

}  // namespace
}  // namespace echopath::io
