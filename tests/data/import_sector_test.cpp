#include "data/import_sector.hpp"

#include <gtest/gtest.h>

#include <opencv2/imgproc.hpp>

namespace echopath::data {
namespace {

constexpr int kWidth = 320;
constexpr int kHeight = 240;

/// A sector with its apex at the top: 255 inside.
cv::Mat true_sector() {
  cv::Mat mask = cv::Mat::zeros(kHeight, kWidth, CV_8U);
  cv::ellipse(mask, {160, 10}, {170, 170}, 0, 50, 130, cv::Scalar(255), cv::FILLED);
  return mask;
}

/// Speckle in the sector, static text, a counter and a running trace outside.
io::Frames made_cine(int count, bool overlays) {
  io::Frames frames;
  frames.count = count;
  frames.height = kHeight;
  frames.width = kWidth;
  frames.pixels.resize(static_cast<std::size_t>(count) * kHeight * kWidth);
  const cv::Mat sector = true_sector();
  cv::RNG random(7);
  for (int t = 0; t < count; ++t) {
    cv::Mat frame(kHeight, kWidth, CV_8U, frames.frame(t));
    cv::Mat speckle(kHeight, kWidth, CV_8U);
    random.fill(speckle, cv::RNG::UNIFORM, 10, 160);
    frame.setTo(0);
    speckle.copyTo(frame, sector);
    if (!overlays) continue;
    const cv::Scalar white(255);
    cv::putText(frame, "DOE JANE 4711", {5, 20}, cv::FONT_HERSHEY_SIMPLEX, 0.5, white, 1);
    cv::putText(frame, std::to_string(60 + t % 30), {270, 60}, cv::FONT_HERSHEY_SIMPLEX, 0.5, white,
                1);
    for (int x = 20; x < 300; ++x) {
      const int y = (x + 3 * t) % 60 < 3 ? 205 : 220;
      frame.at<std::uint8_t>(y, x) = 255;
    }
  }
  return frames;
}

double covered(const cv::Mat& part, const cv::Mat& whole) {
  return static_cast<double>(cv::countNonZero(part & whole)) / cv::countNonZero(whole);
}

TEST(ImportSector, CoversTheMovingImageAndNothingElse) {
  const auto sector = find_sector(made_cine(20, true), {});
  ASSERT_TRUE(sector.has_value());
  const cv::Mat expected = true_sector();
  EXPECT_GT(covered(sector->mask, expected), 0.97);
  cv::Mat near_sector;
  cv::dilate(expected, near_sector, cv::Mat::ones(9, 9, CV_8U));
  EXPECT_EQ(cv::countNonZero(sector->mask & ~near_sector), 0);
  EXPECT_NEAR(sector->bounds.x, cv::boundingRect(expected).x, 4);
  EXPECT_NEAR(sector->bounds.height, cv::boundingRect(expected).height, 6);
}

TEST(ImportSector, AStillIsFoundByItsBrightness) {
  const auto sector = find_sector(made_cine(1, true), {});
  ASSERT_TRUE(sector.has_value());
  EXPECT_GT(covered(sector->mask, true_sector()), 0.97);
  EXPECT_EQ(sector->mask.at<std::uint8_t>(16, 30), 0);  // the name
}

TEST(ImportSector, StaysInsideTheHeadersRegion) {
  const auto sector = find_sector(made_cine(20, false), {{100, 40, 219, 139}});
  ASSERT_TRUE(sector.has_value());
  EXPECT_EQ(sector->bounds & cv::Rect(100, 40, 120, 100), sector->bounds);
  EXPECT_GT(sector->bounds.width, 110);
}

TEST(ImportSector, BlackFramesHaveNone) {
  io::Frames frames = made_cine(5, false);
  std::fill(frames.pixels.begin(), frames.pixels.end(), std::uint8_t{0});
  EXPECT_FALSE(find_sector(frames, {}).has_value());
}

}  // namespace
}  // namespace echopath::data
