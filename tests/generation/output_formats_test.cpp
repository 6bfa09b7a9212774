#include "generation/output_formats.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"

namespace echopath::generation {
namespace {

std::string chosen(const std::string& asked, const std::vector<std::string>& encoders,
                   const std::vector<std::string>& also = {}) {
  return usable_codec(asked, also, [&](const std::string& name) {
    return std::find(encoders.begin(), encoders.end(), name) != encoders.end();
  });
}

TEST(UsableCodec, IsTheOneAskedForWhereItsEncoderIsThere) {
  EXPECT_EQ(chosen("h264", {"libx264", "ffv1"}), "h264");
  EXPECT_EQ(chosen("ffv1", {"libx264", "ffv1"}), "ffv1");
  EXPECT_EQ(chosen("MP4", {"libx264", "ffv1"}), "h264");
  EXPECT_EQ(chosen("avi", {"libx264", "ffv1"}), "ffv1");
}

/// The codec chosen, and the warning.
std::pair<std::string, std::string> warned(const std::string& asked,
                                           const std::vector<std::string>& encoders,
                                           const std::vector<std::string>& also = {}) {
  initialise_logging("info", false);
  ::testing::internal::CaptureStderr();
  const std::string codec = chosen(asked, encoders, also);
  const std::string message = ::testing::internal::GetCapturedStderr();
  return {codec, message};
}

TEST(UsableCodec, FallsBackAndNamesWhatIsUsed) {
  const auto [missing, why] = warned("h264", {"ffv1"});
  EXPECT_EQ(missing, "ffv1");
  EXPECT_NE(why.find("libx264, which this FFmpeg lacks"), std::string::npos) << why;
  EXPECT_NE(why.find("written as lossless FFV1 AVI (ffv1)"), std::string::npos) << why;
  const auto [unknown, reason] = warned("vp9", {"libx264", "ffv1"});
  EXPECT_EQ(unknown, "h264");
  EXPECT_NE(reason.find("codec 'vp9' is not supported here"), std::string::npos) << reason;
  EXPECT_NE(reason.find("written as H.264 MP4 (h264)"), std::string::npos) << reason;
  EXPECT_NE(warned("gif", {"libx264"}).second.find("--also gif"), std::string::npos);
}

TEST(UsableCodec, SaysWhereThePageCannotPlayWhatIsUsed) {
  const std::string told = "which index.html cannot play; --also gif";
  EXPECT_NE(warned("h264", {"ffv1"}).second.find(told), std::string::npos);
  EXPECT_NE(warned("h264", {"ffv1"}, {"png"}).second.find(told), std::string::npos);
  EXPECT_EQ(warned("h264", {"ffv1"}, {"png", "gif"}).second.find(told), std::string::npos);
  EXPECT_EQ(warned("vp9", {"libx264", "ffv1"}).second.find(told), std::string::npos);
}

TEST(UsableCodec, WithoutAnyEncoderSaysWhatToInstall) {
  EXPECT_THROW(chosen("h264", {}), DataError);
}

TEST(OutputFormats, EveryFileLiesInAKnownFolder) {
  for (const std::string& format : other_formats()) {
    const std::string file = other_file(format, "ASD_000001");
    const std::string folder = file.substr(0, file.find('/'));
    const auto& folders = output_folders();
    EXPECT_NE(std::find(folders.begin(), folders.end(), folder), folders.end()) << file;
  }
  EXPECT_EQ(video_file("ffv1", "ASD_000001"), "Videos/ASD_000001.avi");
  EXPECT_THROW(other_file("webm", "x"), UsageError);
}

}  // namespace
}  // namespace echopath::generation
