#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "echopath/core/files.hpp"
#include "generation/gallery.hpp"
#include "toy_model.hpp"

namespace echopath::generation {
namespace {

using ::testing::HasSubstr;

std::string page_of(const std::string& file, const std::vector<std::string>& also) {
  const testing::TemporaryFolder folder;
  ManifestEntry entry;
  entry.class_name = "ASD";
  entry.file = file;
  entry.also = also;
  write_index({entry}, folder / "index.html");
  return read_file(folder / "index.html");
}

TEST(IndexPage, PlaysAnMp4OrElseAGif) {
  EXPECT_THAT(page_of("Videos/a.mp4", {"GIF/a.gif"}), HasSubstr(R"("player":"Videos/a.mp4")"));
  EXPECT_THAT(page_of("Videos/a.avi", {"GIF/a.gif", "Previews/a.mp4"}),
              HasSubstr(R"("player":"Previews/a.mp4")"));
  EXPECT_THAT(page_of("Videos/a.avi", {"GIF/a.gif"}), HasSubstr(R"("player":"GIF/a.gif")"));
}

TEST(IndexPage, LinksAVideoThatNoBrowserPlays) {
  const std::string page = page_of("Videos/a.avi", {"DICOM/a.dcm"});
  EXPECT_THAT(page, HasSubstr(R"("file":"Videos/a.avi","player":"")"));
  EXPECT_THAT(page, HasSubstr("No browser plays this video"));
}

}  // namespace
}  // namespace echopath::generation
