#include "echopath/data/still.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "core/temporary_directory.hpp"
#include "dicom_files.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/io/video.hpp"

namespace echopath::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// An ultrasound image: a bright, speckled fan on black.
cv::Mat fan(int height, int width) {
  cv::Mat image(height, width, CV_8UC1, cv::Scalar(0));
  cv::ellipse(image, {width / 2, 4}, {height - 10, height - 10}, 90, -35, 35, cv::Scalar(255),
              cv::FILLED);
  cv::RNG random(7);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      if (image.at<std::uint8_t>(y, x) != 0) {
        image.at<std::uint8_t>(y, x) = static_cast<std::uint8_t>(random.uniform(60, 200));
      }
    }
  }
  return image;
}

class ReadStill : public ::testing::Test {
 protected:
  fs::path image(const std::string& name, const cv::Mat& pixels) const {
    cv::imwrite((folder_ / name).string(), pixels);
    return folder_ / name;
  }
  static std::string error_of(const fs::path& path, std::int64_t frame = 0) {
    try {
      read_still(path, frame, 32);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  }
  TemporaryDirectory folder_;
};

TEST_F(ReadStill, PictureOfTheRightSizeIsTakenAsItIs) {
  const cv::Mat pixels = fan(32, 32);
  const io::Frames still = read_still(image("a.png", pixels), 0, 32);
  EXPECT_EQ(still.count, 1);
  EXPECT_EQ(still.channels, 1);
  EXPECT_TRUE(std::equal(still.pixels.begin(), still.pixels.end(), pixels.begin<std::uint8_t>()));
}

TEST_F(ReadStill, LargerPictureIsCutToItsFanAndShrunk) {
  cv::Mat pixels = fan(300, 400);
  cv::putText(pixels, "NAME 12:34", {2, 292}, cv::FONT_HERSHEY_SIMPLEX, 0.4, cv::Scalar(255));
  io::Frames still = read_still(image("a.png", pixels), 0, 64);
  EXPECT_EQ(still.height, 64);
  EXPECT_EQ(still.width, 64);
  const double mean = cv::mean(cv::Mat(64, 64, CV_8UC1, still.frame(0)))[0];
  EXPECT_GT(mean, 40.0);
  EXPECT_EQ(still.pixels[63 * 64], 0) << "the text beside the fan is gone";
}

TEST_F(ReadStill, TakesTheFrameOfAVideoThatIsAskedFor) {
  io::Frames video{3, 32, 32, 1, 32.0, {}};
  for (int t = 0; t < 3; ++t) video.pixels.insert(video.pixels.end(), 32 * 32, 50 * t + 10);
  io::write_video(folder_ / "a.avi", video);
  EXPECT_EQ(read_still(folder_ / "a.avi", 2, 32).pixels, std::vector<std::uint8_t>(32 * 32, 110));
  EXPECT_THAT(error_of(folder_ / "a.avi", 3), HasSubstr("has no frame 3; it has 3"));
}

TEST_F(ReadStill, KnowsDicomByItsContent) {
  const tests::DicomWriter dicom(32, 32, 2);
  write_file(folder_ / "scan", dicom.file());
  const io::Frames still = read_still(folder_ / "scan", 1, 32);
  EXPECT_EQ(still.pixels[5], static_cast<std::uint8_t>(32 * 32 + 5));
}

TEST_F(ReadStill, NamesWhatCannotBeRead) {
  write_file(folder_ / "a.png", "no picture");
  EXPECT_THAT(error_of(folder_ / "a.png"), HasSubstr("a.png' cannot be decoded"));
  write_file(folder_ / "a.mp4", "no video");
  EXPECT_THAT(error_of(folder_ / "a.mp4"), HasSubstr("a.mp4"));
  write_file(folder_ / "a.txt", "neither");
  EXPECT_THAT(
      error_of(folder_ / "a.txt"),
      AllOf(HasSubstr("a.txt'"),
            HasSubstr("a heart frame is of a picture (.png, .jpg, .jpeg, .bmp, .tif, .tiff, "
                      ".webp), a video, a DICOM file or latents (.safetensors)")));
  EXPECT_THAT(error_of(folder_ / "nothing.png"), HasSubstr("does not exist"));
  EXPECT_THAT(error_of(image("black.png", cv::Mat(100, 100, CV_8UC1, cv::Scalar(0)))),
              HasSubstr("black.png"));
}

}  // namespace
}  // namespace echopath::data
