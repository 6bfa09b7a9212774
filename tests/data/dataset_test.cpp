#include "echopath/data/dataset.hpp"

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/io/video.hpp"

namespace echopath::data {
namespace {

using Names = std::vector<std::string>;

Names file_names(const std::vector<Study>& studies) {
  Names names;
  for (const Study& study : studies) names.push_back(study.file_name);
  return names;
}

class DatasetFolder : public testing::Test {
 protected:
  void list(const std::string& text) { write_file(folder_ / "FileList.csv", text); }
  void video(const std::string& name) { write_file(folder_ / ("Videos/" + name), "x"); }
  std::vector<Study> read(const std::string& text) {
    list(text);
    return read_file_list(folder_ / "FileList.csv");
  }

  TemporaryDirectory folder_;
};

using FileList = DatasetFolder;

TEST_F(FileList, WhatIsWrittenIsReadBack) {
  Study first{"a, b.avi", "ASD", "P1", "TRAIN", 32.0, 64, 112, 112, 61.25, 30.0, 77.5};
  Study second{"c.avi", "Non-ASD", "P2", "TEST", 29.97, 40, 112, 96, {}, {}, {}};
  write_file_list(folder_ / "FileList.csv", {first, second});
  const auto back = read_file_list(folder_ / "FileList.csv");
  ASSERT_EQ(back.size(), 2U);
  EXPECT_EQ(back[0].file_name, "a, b.avi");
  EXPECT_EQ(back[0].class_name, "ASD");
  EXPECT_EQ(back[0].patient_id, "P1");
  EXPECT_EQ(back[0].split, "TRAIN");
  EXPECT_EQ(back[0].number_of_frames, 64);
  EXPECT_EQ(back[0].ef, 61.25);
  EXPECT_EQ(back[0].esv, 30.0);
  EXPECT_EQ(back[0].edv, 77.5);
  EXPECT_EQ(back[1].fps, 29.97);
  EXPECT_EQ(back[1].frame_height, 112);
  EXPECT_EQ(back[1].frame_width, 96);
  EXPECT_FALSE(back[1].ef.has_value());
}

TEST_F(FileList, VolumesHaveColumnsOnlyWhereKnown) {
  write_file_list(folder_ / "FileList.csv",
                  {Study{"a.avi", "ASD", "P", "VAL", 32, 2, 8, 8, {}, {}, {}}});
  EXPECT_EQ(read_file(folder_ / "FileList.csv"),
            "FileName,ClassName,PatientId,Split,FPS,NumberOfFrames,FrameHeight,FrameWidth\n"
            "a.avi,ASD,P,VAL,32,2,8,8\n");
}

TEST_F(FileList, EchoNetDynamicsListIsRead) {
  const auto studies = read(
      "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\n"
      "0X100009310A3BD7FC,78.49840624387113,14.8813680973762,69.21,112,112,50,174,VAL\n");
  ASSERT_EQ(studies.size(), 1U);
  EXPECT_EQ(studies[0].file_name, "0X100009310A3BD7FC");
  EXPECT_EQ(studies[0].stem(), "0X100009310A3BD7FC");
  EXPECT_EQ(studies[0].class_name, "");
  EXPECT_EQ(studies[0].patient_id, "0X100009310A3BD7FC");
  EXPECT_EQ(studies[0].split, "VAL");
  EXPECT_DOUBLE_EQ(*studies[0].ef, 78.49840624387113);
  EXPECT_EQ(studies[0].fps, 50.0);
}

TEST_F(FileList, EchoPathsListIsRead) {
  const auto studies = read(
      "video_path,FileName,condition,class_name,class_id,patient_id,FPS,FrameWidth,FrameHeight,"
      "NumberOfFrames,Split\n"
      "videos/PAH/PAH_001.mp4,,PAH,PAH,3,PAH_1,32,112,96,64.0,TRAIN\n");
  ASSERT_EQ(studies.size(), 1U);
  EXPECT_EQ(studies[0].file_name, "PAH_001.mp4");
  EXPECT_EQ(studies[0].stem(), "PAH_001");
  EXPECT_EQ(studies[0].class_name, "PAH");
  EXPECT_EQ(studies[0].patient_id, "PAH_1");
  EXPECT_EQ(studies[0].frame_width, 112);
  EXPECT_EQ(studies[0].frame_height, 96);
  EXPECT_EQ(studies[0].number_of_frames, 64);
}

TEST_F(FileList, FoldsAreMappedToSplits) {
  const auto studies = read("FileName,Split\na,0\nb,7\nc,8\nd,9\ne,3.0\nf,train\ng,\n");
  Names splits;
  for (const Study& study : studies) splits.push_back(study.split);
  EXPECT_EQ(splits, (Names{"TRAIN", "TRAIN", "VAL", "TEST", "TRAIN", "TRAIN", ""}));
}

TEST_F(FileList, FaultsNameTheRow) {
  expect_error<DataError>([&] { read("FileName,FPS\n"); },
                          "lists no video; make one with `echopath import` or `echopath phantom`");
  expect_error<DataError>([&] { read("Name,FPS\na,1\n"); },
                          "no column 'FileName'; it has 'Name', 'FPS'");
  expect_error<DataError>([&] { read("FileName,FPS\na,32\nb,fast\n"); },
                          "row 3: 'fast' in column FPS is not a number");
  expect_error<DataError>([&] { read("FileName,Number_Of_Frames\na,12.5\n"); },
                          "row 2: '12.5' in column Number_Of_Frames");
  expect_error<DataError>([&] { read("FileName,NumberOfFrames\na,-3\n"); }, "'-3'");
  expect_error<DataError>([&] { read("FileName,Split\na,TRIAN\n"); }, "row 2: Split 'TRIAN'");
  expect_error<DataError>([&] { read("FileName,FPS\na,1\n,2\n"); }, "row 3: has no FileName");
  expect_error<DataError>([&] { read("FileName,FPS\n../../etc/passwd,1\n"); },
                          "must be a name inside");
  expect_error<DataError>([&] { read("FileName,FPS\na.avi,1\nb,1\na,1\n"); },
                          "row 4: FileName 'a' stands in row 2 already");
}

TEST(Study, StemDropsVideoExtensionsOnly) {
  Study study;
  study.file_name = "a.b.AVI";
  EXPECT_EQ(study.stem(), "a.b");
  study.file_name = "1.2.840";
  EXPECT_EQ(study.stem(), "1.2.840");
}

TEST_F(DatasetFolder, SplitsAndClassesKeepTheListsOrder) {
  list("FileName,ClassName,Split\nc,PAH,TRAIN\na,ASD,TEST\nb,PAH,TRAIN\n");
  for (const char* name : {"a.avi", "b.mp4", "c.mov"}) video(name);
  const Dataset dataset = Dataset::open(folder_.path());
  EXPECT_EQ(file_names(dataset.studies()), (Names{"c", "a", "b"}));
  EXPECT_EQ(file_names(dataset.split("TRAIN")), (Names{"c", "b"}));
  EXPECT_TRUE(dataset.split("VAL").empty());
  EXPECT_EQ(dataset.class_names(), (Names{"PAH", "ASD"}));
  EXPECT_EQ(dataset.video_path(dataset.studies()[2]), folder_ / "Videos/b.mp4");
}

TEST_F(DatasetFolder, AVideoUnderAnotherExtensionIsFound) {
  list("FileName\na.mp4\n");
  video("a.avi");
  const Dataset dataset = Dataset::open(folder_.path());
  EXPECT_EQ(dataset.video_path(dataset.studies()[0]), folder_ / "Videos/a.avi");
}

TEST_F(DatasetFolder, AMissingVideoIsNamedWithItsRow) {
  list("FileName\na.avi\nb.avi\n");
  video("a.avi");
  expect_error<DataError>([&] { Dataset::open(folder_.path()); }, "row 3: video");
  expect_error<DataError>([&] { Dataset::open(folder_.path()); },
                          (folder_ / "Videos/b.avi").string());
  EXPECT_EQ(Dataset::open(folder_.path(), false).studies().size(), 2U);
}

TEST_F(DatasetFolder, AMissingFolderOrListIsNamed) {
  expect_error<DataError>([&] { Dataset::open(folder_ / "none"); }, "none");
  expect_error<DataError>([&] { Dataset::open(folder_.path()); }, "no FileList.csv");
}

TEST_F(DatasetFolder, APatientInTwoSplitsGetsAWarning) {
  list("FileName,PatientId,Split\na,P1,TRAIN\nb,P2,TEST\nc,P1,TEST\n");
  initialise_logging("info", false);
  testing::internal::CaptureStderr();
  Dataset::open(folder_.path(), false);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::HasSubstr("patient 'P1' is in TRAIN and in TEST"));
}

TEST_F(DatasetFolder, LoadReturnsTheFrames) {
  io::Frames frames{2, 4, 6, 1, 40.0, {}};
  for (int i = 0; i < 48; ++i) frames.pixels.push_back(static_cast<std::uint8_t>(5 * i));
  io::write_video(folder_ / "Videos/a.avi", frames);
  list("FileName\na\n");
  const Dataset dataset = Dataset::open(folder_.path());
  const io::Frames back = dataset.load(dataset.studies()[0]);
  EXPECT_EQ(back.pixels, frames.pixels);
  EXPECT_DOUBLE_EQ(back.fps, 40.0);
  Study other;
  other.file_name = "gone.avi";
  expect_error<DataError>([&] { dataset.load(other); }, "gone.avi");
}

}  // namespace
}  // namespace echopath::data
