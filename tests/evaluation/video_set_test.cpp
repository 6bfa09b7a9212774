#include "echopath/evaluation/video_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/io/video.hpp"
#include "toy_data.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> names_of(const VideoSet& set) {
  std::vector<std::string> names;
  for (const VideoItem& video : set.videos()) names.push_back(video.name);
  return names;
}

/// A grey picture of one level.
void write_picture(const fs::path& path, int level, int size = 8) {
  fs::create_directories(path.parent_path());
  cv::imwrite(path.string(), cv::Mat(size, size, CV_8UC1, cv::Scalar(level)));
}

/// A video of frames of one level each.
void write_levels(const fs::path& path, const std::vector<int>& levels) {
  io::Frames frames;
  frames.count = static_cast<std::int64_t>(levels.size());
  frames.height = frames.width = 16;
  frames.fps = 25;
  for (const int level : levels) frames.pixels.insert(frames.pixels.end(), 256, level);
  io::write_video(path, frames);
}

TEST(VideoSet, OfADatasetHasItsClassesPatientsAndSplits) {
  const TemporaryDirectory folder;
  tests::write_toy_videos(folder.path());
  const VideoSet all = VideoSet::open(folder.path());
  EXPECT_EQ(all.source(), VideoSource::kDataset);
  EXPECT_THAT(names_of(all), ElementsAre("noise0", "noise1", "noise2", "noise3"));
  EXPECT_THAT(all.class_names(), ElementsAre("ASD", "Non-ASD"));
  EXPECT_EQ(all.patient_count(), 4);
  EXPECT_EQ(all.videos()[3].split, "VAL");
  const VideoSet some = VideoSet::open(folder.path(), {.split = "TRAIN", .classes = {"ASD"}});
  EXPECT_THAT(names_of(some), ElementsAre("noise0", "noise2"));
  EXPECT_EQ(load_frames(some.videos()[0]).count, 3);
}

TEST(VideoSet, RefusesWhatTheListDoesNotHaveAndNamesWhatItHas) {
  const TemporaryDirectory folder;
  tests::write_toy_videos(folder.path());
  expect_error<DataError>([&] { VideoSet::open(folder.path(), {.split = "", .classes = {"PAH"}}); },
                          "no video of class 'PAH'; there are ASD, Non-ASD");
  expect_error<DataError>([&] { VideoSet::open(folder.path(), {.split = "TEST", .classes = {}}); },
                          "no video of split 'TEST'; there are TRAIN, VAL");
}

TEST(VideoSet, RefusesAPatientInTwoSplits) {
  const TemporaryDirectory folder;
  tests::write_toy_videos(folder.path());
  auto studies = data::read_file_list(folder / "FileList.csv");
  studies[3].patient_id = studies[0].patient_id;
  data::write_file_list(folder / "FileList.csv", studies);
  expect_error<DataError>([&] { VideoSet::open(folder.path()); },
                          "patient 'P0' is in TRAIN and in VAL");
  EXPECT_EQ(
      VideoSet::open(folder.path(), {.split = "", .classes = {}, .refuse_shared_patients = false})
          .size(),
      4);
}

TEST(VideoSet, OfVideoFilesTakesClassesFromFolders) {
  const TemporaryDirectory folder;
  write_levels(folder / "PAH/b.avi", {1, 2});
  write_levels(folder / "ASD/a.avi", {3});
  write_file(folder / "ASD/.hidden.avi", "no video");
  write_file(folder / "notes.txt", "no video");
  const VideoSet set = VideoSet::open(folder.path());
  EXPECT_EQ(set.source(), VideoSource::kVideoFiles);
  EXPECT_THAT(names_of(set), ElementsAre("ASD/a.avi", "PAH/b.avi"));
  EXPECT_THAT(set.class_names(), ElementsAre("ASD", "PAH"));
  EXPECT_EQ(load_frames(set.videos()[1]).fps, 25);
}

TEST(VideoSet, OfFrameFoldersReadsThePicturesInOrder) {
  const TemporaryDirectory folder;
  write_picture(folder / "v1/0002.png", 20);
  write_picture(folder / "v1/0001.png", 10);
  write_picture(folder / "v2/0001.jpg", 30);
  const VideoSet set = VideoSet::open(folder.path());
  EXPECT_EQ(set.source(), VideoSource::kFrameFolders);
  EXPECT_THAT(names_of(set), ElementsAre("v1", "v2"));
  EXPECT_TRUE(set.class_names().empty());
  const io::Frames frames = load_frames(set.videos()[0]);
  EXPECT_EQ(frames.count, 2);
  EXPECT_EQ(*frames.frame(0), 10);
  EXPECT_EQ(*frames.frame(1), 20);
  EXPECT_EQ(load_frames(set.videos()[0], 3).channels, 3);
}

TEST(VideoSet, OfPicturesMakesEachAVideo) {
  const TemporaryDirectory folder;
  write_picture(folder / "a.png", 10);
  write_picture(folder / "b.png", 20);
  const VideoSet set = VideoSet::open(folder.path());
  EXPECT_EQ(set.source(), VideoSource::kPictures);
  EXPECT_EQ(set.size(), 2);
  EXPECT_EQ(load_frames(set.videos()[1]).count, 1);
}

TEST(VideoSet, RefusesEmptyMixedAndDamaged) {
  const TemporaryDirectory folder;
  expect_error<DataError>([&] { VideoSet::open(folder.path()); }, "holds no video");
  expect_error<DataError>([&] { VideoSet::open(folder / "absent"); }, "absent");
  write_picture(folder / "v/0.png", 10);
  write_picture(folder / "v/1.png", 10, 16);
  const VideoSet sizes = VideoSet::open(folder.path());
  expect_error<DataError>([&] { load_frames(sizes.videos()[0]); }, "must have one size");
  write_file(folder / "v/1.png", "no picture");
  expect_error<DataError>([&] { load_frames(sizes.videos()[0]); }, "cannot be decoded");
  write_levels(folder / "c.avi", {1});
  expect_error<DataError>([&] { VideoSet::open(folder.path()); }, "leave one kind there");
}

TEST(VideoSet, ContentHashFollowsTheBytesAlone) {
  const TemporaryDirectory folder;
  write_picture(folder / "a/0.png", 10);
  write_picture(folder / "b/7.png", 10);
  write_picture(folder / "c/0.png", 11);
  const VideoSet set = VideoSet::open(folder.path());
  EXPECT_EQ(content_hash(set.videos()[0]), content_hash(set.videos()[1]));
  EXPECT_NE(content_hash(set.videos()[0]), content_hash(set.videos()[2]));
}

TEST(VideoSet, VideosAreHandedOverInOrder) {
  const TemporaryDirectory folder;
  for (int i = 0; i < 5; ++i) write_levels(folder / ("v" + std::to_string(i) + ".avi"), {10 * i});
  std::vector<int> levels;
  for_each_video(VideoSet::open(folder.path()).videos(), 1,
                 [&](std::size_t i, const io::Frames& frames) {
                   EXPECT_EQ(i, levels.size());
                   levels.push_back(*frames.frame(0));
                 });
  EXPECT_THAT(levels, ElementsAre(0, 10, 20, 30, 40));
}

TEST(VideoSet, SlicesAndSelectsFrames) {
  const TemporaryDirectory folder;
  write_levels(folder / "v.avi", {0, 10, 20, 30});
  const io::Frames frames = load_frames(VideoSet::open(folder.path()).videos()[0]);
  EXPECT_EQ(*slice(frames, 1, 2).frame(1), 20);
  EXPECT_EQ(slice(frames, 1, 2).count, 2);
  EXPECT_EQ(*select(frames, {3, 0, 3}).frame(2), 30);
}

}  // namespace
}  // namespace echopath::evaluation
