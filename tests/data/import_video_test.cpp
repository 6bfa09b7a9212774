#include <gmock/gmock.h>

#include <cmath>
#include <opencv2/core.hpp>

#include "data/import_support.hpp"

namespace echopath::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class ImportVideo : public tests::ImportTest {};

TEST_F(ImportVideo, EchoNetDynamicKeepsVolumesAndSplits) {
  write_video("src/Videos/0X1A.avi", ramp(50, 32, 50.0));
  write_video("src/Videos/0X2B.avi", ramp(32, 32, 32.0));
  write("src/FileList.csv",
        "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\n"
        "0X1A,55.5,40.25,90.5,32,32,50,50,TRAIN\n"
        "0X2B,30,100,143,32,32,32,32,TEST\n"
        "0X3C,30,100,143,32,32,32,32,VAL\n");
  plain(32);
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.format, "video");
  EXPECT_EQ(summary.imported, 2);
  EXPECT_TRUE(summary.failed.empty());
  ASSERT_EQ(summary.unmatched_rows.size(), 1u);
  EXPECT_THAT(summary.unmatched_rows[0].path.string(), HasSubstr("0X3C"));
  EXPECT_THAT(summary.unmatched_rows[0].reason, HasSubstr("missing"));
  const auto made = rows();
  const Study& first = made.at("0X1A");
  EXPECT_EQ(first.ef, 55.5);
  EXPECT_EQ(first.esv, 40.25);
  EXPECT_EQ(first.edv, 90.5);
  EXPECT_EQ(first.split, "TRAIN");
  EXPECT_EQ(first.fps, 32.0);
  EXPECT_EQ(first.number_of_frames, 32);
  EXPECT_EQ(first.frame_height, 32);
  EXPECT_EQ(made.at("0X2B").split, "TEST");
  EXPECT_EQ(record().at("clips").at("0X1A").at("source_fps"), 50.0);
}

TEST_F(ImportVideo, ClipsAreResampledInTimeNotStamped) {
  write_video("src/a.avi", ramp(25, 16, 50.0, 10));
  plain(16);
  import_studies(options_);
  const io::Frames frames = load("a");
  EXPECT_DOUBLE_EQ(frames.fps, 32.0);
  EXPECT_THAT(first_pixels(frames),
              ElementsAre(0, 20, 30, 50, 60, 80, 90, 110, 120, 140, 160, 170, 190, 200, 220, 230));
}

/// tests/fixtures/video/make.sh: grey is the frame's time in fiftieths of a second.
fs::path timeline(const std::string& name) {
  return fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/video" / name;
}

TEST_F(ImportVideo, UnevenTimesOfTheContainerAreFollowed) {
  for (const char* name : {"uneven.avi", "uneven.gif", "uneven.mp4"}) {
    options_.source = timeline(name);
    options_.out = root_ / name;
    plain(16);
    ASSERT_EQ(import_studies(options_).imported, 1) << name;
    const std::vector<int> levels = first_pixels(load("uneven"));
    // 90 frames over 2.9 s; the last lasts as long as the mean step.
    ASSERT_EQ(levels.size(), static_cast<std::size_t>(std::floor(2.9 * 90 / 89 * 32))) << name;
    for (std::size_t k = 0; k < levels.size(); ++k) {
      const double slot = std::min(static_cast<double>(k) * 50.0 / 32.0, 145.0);
      // The nearest frame is half a slot away, or half of five; H.264 is off by a level.
      EXPECT_NEAR(levels[k], slot, (slot < 75.0 ? 0.5 : 2.5) + 1.0) << name << ", frame " << k;
    }
    EXPECT_NEAR(record().at("clips").at("uneven").at("source_fps"), 89.0 / 2.9, 1e-3);
  }
}

TEST_F(ImportVideo, EmptyRepeatFramesTakeTheirTime) {
  options_.source = timeline("half.avi");
  plain(16);
  import_studies(options_);
  const std::vector<int> levels = first_pixels(load("half"));
  ASSERT_EQ(levels.size(), 96u);  // 75 frames at 25 a second
  for (std::size_t k = 0; k < 95; ++k) {
    EXPECT_NEAR(levels[k], static_cast<double>(k) * 50.0 / 32.0, 1.0) << k;
  }
}

TEST_F(ImportVideo, AGivenRateStandsAboveTheTimesOfFrames) {
  options_.source = timeline("uneven.gif");
  options_.labels_csv = write("labels.csv", "FileName,ClassName,FPS\nuneven.gif,ASD,64\n");
  plain(16);
  import_studies(options_);
  const std::vector<int> levels = first_pixels(load("uneven"));
  ASSERT_EQ(levels.size(), 45u);  // every second of 90 frames
  EXPECT_EQ(levels[37], 74);
  EXPECT_EQ(levels[38], 80);
}

TEST_F(ImportVideo, SourceFpsOverridesWhatTheFileStates) {
  write_video("src/a.avi", ramp(16, 16, 50.0, 10));
  plain(16);
  options_.source_fps = "16";
  import_studies(options_);
  EXPECT_EQ(load("a").count, 32);
}

TEST_F(ImportVideo, LinearInterpolationBlendsNeighbours) {
  write_video("src/a.avi", ramp(4, 16, 16.0, 40));
  plain(16);
  options_.interpolation = "linear";
  import_studies(options_);
  EXPECT_THAT(first_pixels(load("a")), ElementsAre(0, 20, 40, 60, 80, 100, 120, 120));
}

TEST_F(ImportVideo, EveryContainerIsRead) {
  for (const char* name : {"a.avi", "b.mp4", "c.gif"}) {
    write_video(fs::path("src") / name, ramp(20, 64, 25.0, 10));
  }
  plain(64);
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.imported, 3);
  for (const char* name : {"a", "b", "c"}) {
    const auto values = first_pixels(load(name));
    ASSERT_GE(values.size(), 24u) << name;
    EXPECT_NEAR(values[16], 120, 6) << name;  // half a second: frame 12 or 13
  }
}

TEST_F(ImportVideo, LabelsComeFromTheCsv) {
  write_video("src/a.avi", ramp(32, 16, 32.0));
  write_video("src/deeper/b.mp4", ramp(32, 16, 32.0));
  write_video("src/unlisted.avi", ramp(32, 16, 32.0));
  options_.labels_csv = write("labels.csv",
                              "FileName,ClassName,PatientId,FPS,EF\na.avi,ASD,p1,16,50\n"
                              "deeper/b,PAH,p2,,\ngone.avi,PAH,p3,,\n");
  plain(16);
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.imported, 2);
  EXPECT_EQ(summary.classes.at("ASD"), 1);
  EXPECT_TRUE(summary.failed.empty());
  ASSERT_EQ(summary.unlabelled.size(), 1u);
  EXPECT_THAT(summary.unlabelled[0].path.string(), HasSubstr("unlisted.avi"));
  EXPECT_EQ(summary.unlabelled[0].reason, "has no row in '" + options_.labels_csv.string() + "'");
  ASSERT_EQ(summary.unmatched_rows.size(), 1u);
  EXPECT_EQ(summary.unmatched_rows[0].reason,
            "row 4: 'gone.avi' was not found in the source; check its FileName");
  EXPECT_EQ(record().at("failed"), 0);
  EXPECT_EQ(record().at("unlabelled"), 1);
  EXPECT_EQ(record().at("unmatched_rows"), 1);
  const auto made = rows();
  EXPECT_EQ(made.at("a").class_name, "ASD");
  EXPECT_EQ(made.at("a").patient_id, "p1");
  EXPECT_EQ(made.at("a").ef, 50.0);
  EXPECT_EQ(made.at("a").number_of_frames, 64);  // 32 frames at the CSV's 16 fps
  EXPECT_EQ(made.at("deeper_b").class_name, "PAH");
}

TEST_F(ImportVideo, ABareNameThatFitsTwoFilesIsRefusedWithTheirPaths) {
  write_video("src/x.avi", ramp(32, 16, 32.0));
  write_video("src/d/x.avi", ramp(32, 16, 32.0));
  plain(16);
  for (const char* name : {"x.avi", "x"}) {
    options_.labels_csv =
        write("labels.csv", std::string("FileName,ClassName\n") + name + ",ASD\n");
    EXPECT_THAT(error<DataError>(),
                HasSubstr("labels.csv: row 2: '" + std::string(name) +
                          "' may mean './d/x.avi' or './x.avi'; list each by its path"));
  }
  EXPECT_FALSE(fs::exists(options_.out));
}

TEST_F(ImportVideo, ARowWithAPathListsThatFileOnly) {
  write_video("src/x.avi", ramp(32, 16, 32.0));
  write_video("src/d/x.avi", ramp(32, 16, 32.0));
  write_video("src/e/x.avi", ramp(32, 16, 32.0));
  options_.labels_csv = write("labels.csv", "FileName,ClassName\n./x.avi,ASD\nd/x,PAH\n");
  plain(16);
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(rows().at("x").class_name, "ASD");
  EXPECT_EQ(rows().at("d_x").class_name, "PAH");
  ASSERT_EQ(summary.unlabelled.size(), 1u);
  EXPECT_EQ(summary.unlabelled[0].path, source_ / "e/x.avi");
}

TEST_F(ImportVideo, TwoRowsForOneFileAreRefused) {
  write_video("src/d/x.avi", ramp(32, 16, 32.0));
  options_.labels_csv = write("labels.csv", "FileName,ClassName\nx.avi,ASD\nd/x.avi,PAH\n");
  EXPECT_THAT(error<DataError>(),
              AllOf(HasSubstr("row 2 ('x.avi')"), HasSubstr("row 3 ('d/x.avi')"),
                    HasSubstr("the same clip")));
  options_.labels_csv = write("labels.csv", "FileName,ClassName\nx.avi,ASD\nx.avi,PAH\n");
  EXPECT_THAT(error<DataError>(), HasSubstr("lists what row 2 ('x.avi') lists already"));
}

TEST_F(ImportVideo, ClassesComeFromFoldersWithoutLabels) {
  write_video("src/Non-ASD/a.avi", ramp(32, 16, 32.0));
  write_video("src/PAH/a.avi", ramp(32, 16, 32.0));
  plain(16);
  import_studies(options_);
  const auto made = rows();
  EXPECT_EQ(made.at("Non-ASD_a").class_name, "Non-ASD");
  EXPECT_EQ(made.at("PAH_a").class_name, "PAH");
}

TEST_F(ImportVideo, BrokenFilesAreReportedAndTheRestImported) {
  write_video("src/good.avi", ramp(32, 16, 32.0));
  write("src/broken.avi", "this is no video at all");
  write("src/empty.mp4", "");
  write_video("src/still.avi", ramp(1, 16, 32.0));
  plain(16);
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.imported, 1);
  ASSERT_EQ(summary.failed.size(), 3u);
  for (const ImportFailure& failure : summary.failed) {
    EXPECT_FALSE(failure.reason.empty());
    EXPECT_EQ(failure.reason.find('\n'), std::string::npos);
    EXPECT_EQ(failure.reason.find(failure.path.string()), std::string::npos) << failure.reason;
  }
  EXPECT_EQ(summary.failed[1].reason, "is an empty file");
  EXPECT_THAT(summary.failed[2].reason, AllOf(HasSubstr("1 frame;"), HasSubstr("--min-frames")));
  EXPECT_EQ(record().at("imported"), 1);
  EXPECT_EQ(record().at("failed"), 3);
}

TEST_F(ImportVideo, TwoFilesOfOneNameDoNotOverwriteEachOther) {
  write_video("src/a.avi", ramp(32, 16, 32.0, 1));
  write_video("src/a.mp4", ramp(32, 16, 32.0, 7));
  plain(16);
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.imported, 1);
  ASSERT_EQ(summary.failed.size(), 1u);
  EXPECT_EQ(summary.failed[0].reason,
            "would be named 'a', as a clip imported before it is; rename one of them");
  EXPECT_EQ(load("a").frame(8)[0], 8);
}

/// 64 wide and 32 high: three vertical bands of 16, 32 and 16 columns.
io::Frames bands(int left, int middle, int right) {
  io::Frames frames;
  frames.count = 8;
  frames.height = 32;
  frames.width = 64;
  frames.fps = 32.0;
  frames.pixels.resize(static_cast<std::size_t>(frames.count * frames.frame_size()));
  for (std::int64_t t = 0; t < frames.count; ++t) {
    cv::Mat frame(32, 64, CV_8U, frames.frame(t));
    frame.colRange(0, 16).setTo(left);
    frame.colRange(16, 48).setTo(middle);
    frame.colRange(48, 64).setTo(right);
  }
  return frames;
}

TEST_F(ImportVideo, AspectIsKeptByCropOrLetterboxOrNotAtAll) {
  write_video("src/a.avi", bands(50, 100, 200));
  plain(16);
  const auto row = [&](const char* aspect, std::int64_t y) {
    options_.aspect = aspect;
    options_.out = root_ / aspect;
    import_studies(options_);
    const io::Frames frames = load("a");
    return std::vector<int>(frames.frame(0) + y * 16, frames.frame(0) + y * 16 + 16);
  };
  EXPECT_THAT(row("crop", 8), testing::Each(100));
  const auto squashed = row("squash", 0);
  EXPECT_THAT(squashed, ElementsAre(50, 50, 50, 50, 100, 100, 100, 100, 100, 100, 100, 100, 200,
                                    200, 200, 200));
  EXPECT_THAT(row("letterbox", 8), testing::ElementsAreArray(squashed));
  const io::Frames letterboxed = load("a");
  EXPECT_EQ(letterboxed.frame(0)[3 * 16 + 8], 0);
  EXPECT_EQ(letterboxed.frame(0)[4 * 16 + 8], 100);
  EXPECT_EQ(letterboxed.frame(0)[12 * 16 + 8], 0);
}

/// A dark frame then a bright one, each with a gradient.
io::Frames two_exposures() {
  io::Frames frames;
  frames.count = 2;
  frames.height = frames.width = 16;
  frames.fps = 32.0;
  for (int t = 0; t < 2; ++t) {
    for (int i = 0; i < 256; ++i) {
      frames.pixels.push_back(static_cast<std::uint8_t>((t == 0 ? 20 : 60) + i % 16 * 4));
    }
  }
  return frames;
}

TEST_F(ImportVideo, OneWindowOverTheClipKeepsFramesComparable) {
  write_video("src/a.avi", two_exposures());
  plain(16);
  options_.intensity = "clip";
  import_studies(options_);
  const io::Frames frames = load("a");
  // 20…120 over the clip: 255/100 a level.
  EXPECT_EQ(frames.frame(0)[0], 0);
  EXPECT_EQ(frames.frame(0)[15], 153);
  EXPECT_EQ(frames.frame(1)[0], 102);
  EXPECT_EQ(frames.frame(1)[15], 255);
}

TEST_F(ImportVideo, PerFrameWindowIsTheReproductionSwitch) {
  write_video("src/a.avi", two_exposures());
  plain(16);
  options_.intensity = "frame";
  import_studies(options_);
  const io::Frames frames = load("a");
  for (std::int64_t t = 0; t < 2; ++t) {
    EXPECT_EQ(frames.frame(t)[0], 0);
    EXPECT_EQ(frames.frame(t)[7], 119);  // 28/60·255 = 119 exactly
    EXPECT_EQ(frames.frame(t)[15], 255);
  }
}

class ImportChecks : public tests::ImportTest {};

TEST_F(ImportChecks, AnOutputFolderInUseIsAUsageError) {
  write_video("src/a.avi", ramp(32, 16, 32.0));
  write("out/notes.txt", "mine");
  EXPECT_THAT(error<UsageError>(), AllOf(HasSubstr("out"), HasSubstr("not empty")));
  EXPECT_TRUE(fs::exists(options_.out / "notes.txt"));
  fs::remove(options_.out / "notes.txt");
  plain(16);
  EXPECT_EQ(import_studies(options_).imported, 1);  // an empty folder is free
  try {
    import_studies(options_);
    FAIL() << "a dataset was overwritten";
  } catch (const UsageError& caught) {
    EXPECT_THAT(caught.what(), HasSubstr("already holds a dataset"));
  }
}

TEST_F(ImportChecks, OptionsAreChecked) {
  write_video("src/a.avi", ramp(32, 16, 32.0));
  options_.aspect = "stretch";
  EXPECT_THAT(error<UsageError>(), AllOf(HasSubstr("stretch"), HasSubstr("letterbox")));
  options_.aspect = "crop";
  options_.source_fps = "fast";
  EXPECT_THAT(error<UsageError>(), AllOf(HasSubstr("--source-fps"), HasSubstr("assume")));
  options_.source_fps = "";
  options_.split = "50,50";
  EXPECT_THAT(error<UsageError>(), HasSubstr("70,15,15"));
  options_.split = "70,15,15";
  options_.split_file = write("split.csv", "FileName,Split\na,TRAIN\n");
  EXPECT_THAT(error<UsageError>(), HasSubstr("--split-file"));
}

TEST_F(ImportChecks, NothingToImportIsADataErrorThatLeavesNothing) {
  EXPECT_THAT(error<DataError>(), AllOf(HasSubstr("src"), HasSubstr("no video")));
  write("src/a.avi", "broken");
  EXPECT_THAT(error<DataError>(),
              AllOf(HasSubstr("nothing could be imported"), HasSubstr("a.avi")));
  EXPECT_FALSE(fs::exists(options_.out));
  options_.source = root_ / "absent";
  EXPECT_THAT(error<DataError>(), AllOf(HasSubstr("absent"), HasSubstr("does not exist")));
  EXPECT_TRUE(fs::is_empty(root_) == false);
  for (const auto& entry : fs::directory_iterator(root_)) {
    EXPECT_EQ(entry.path().filename(), "src") << "something was left behind";
  }
}

TEST_F(ImportChecks, MixedFormatsAskForTheFormat) {
  write_video("src/a.avi", ramp(32, 16, 32.0));
  write("src/b.dcm", std::string(128, '\0') + "DICM");
  EXPECT_THAT(error<UsageError>(), AllOf(HasSubstr("video and dicom"), HasSubstr("--format")));
  options_.format = "video";
  plain(16);
  EXPECT_EQ(import_studies(options_).imported, 1);
}

class ImportSplits : public tests::ImportTest {
 protected:
  /// 40 videos of 20 patients in two classes.
  void write_study() {
    std::string labels = "FileName,ClassName,PatientId\n";
    for (int i = 0; i < 40; ++i) {
      const std::string name = "v" + std::to_string(i);
      write_video("src/" + name + ".avi", ramp(4, 16, 32.0));
      labels += name + ".avi," + (i % 4 < 2 ? "ASD" : "PAH") + ",p" + std::to_string(i / 2) + "\n";
    }
    options_.labels_csv = write("labels.csv", labels);
    plain(16);
  }
};

TEST_F(ImportSplits, NoPatientIsInTwoSplits) {
  write_study();
  options_.split = "60,20,20";
  options_.split_seed = 5;
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.splits.at("TRAIN"), 24);
  EXPECT_EQ(summary.splits.at("VAL"), 8);
  EXPECT_EQ(summary.splits.at("TEST"), 8);
  std::map<std::string, std::string> split_of;
  for (const auto& [name, study] : rows()) {
    EXPECT_EQ(split_of.emplace(study.patient_id, study.split).first->second, study.split);
  }
}

TEST_F(ImportSplits, SplitFileByPatientOrByFile) {
  write_study();
  std::string by_patient = "PatientId,Split\n";
  for (int p = 0; p < 20; ++p)
    by_patient += "p" + std::to_string(p) + (p < 15 ? ",TRAIN\n" : ",test\n");
  options_.split_file = write("by_patient.csv", by_patient);
  EXPECT_EQ(import_studies(options_).splits.at("TEST"), 10);
  EXPECT_EQ(rows().at("v39").split, "TEST");
  std::string by_file = "FileName,Split\n";
  for (int i = 0; i < 39; ++i) by_file += "v" + std::to_string(i) + ".avi,VAL\n";
  options_.split_file = write("by_file.csv", by_file);
  options_.out = root_ / "second";
  EXPECT_THAT(error<DataError>(), AllOf(HasSubstr("by_file.csv"), HasSubstr("v39")));
  options_.split_file = write("by_file.csv", by_file + "v39,TRAIN\n");
  EXPECT_EQ(import_studies(options_).splits.at("VAL"), 39);
}

TEST_F(ImportSplits, AFileOrPatientInTwoSplitsIsRefused) {
  write_video("src/a.avi", ramp(4, 16, 32.0));
  plain(16);
  options_.split_file = write("split.csv", "FileName,Split\na.avi,TRAIN\na.avi,TEST\n");
  EXPECT_THAT(error<DataError>(),
              AllOf(HasSubstr("row 3 ('a.avi')"), HasSubstr("row 2 ('a.avi')")));
  options_.split_file = write("split.csv", "FileName,Split\na.avi,TRAIN\na,TEST\n");
  EXPECT_THAT(error<DataError>(), AllOf(HasSubstr("row 3 ('a')"), HasSubstr("the same clip")));
  options_.split_file = write("split.csv", "PatientId,Split\na,TRAIN\na,TEST\n");
  EXPECT_THAT(error<DataError>(), AllOf(HasSubstr("row 3 ('a') is in TEST"), HasSubstr("row 2")));
  options_.split_file = write("split.csv", "FileName,Split\na.avi,TRAIN\na,TRAIN\n");
  EXPECT_EQ(import_studies(options_).splits.at("TRAIN"), 1);  // said twice, but the same
}

TEST_F(ImportSplits, RowsThatFitNothingAreReported) {
  write_video("src/a.avi", ramp(4, 16, 32.0));
  plain(16);
  options_.split_file =
      write("split.csv", "FileName,PatientId,Split\na.avi,,TRAIN\nb.avi,,VAL\n,p7,TEST\n");
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.splits, (std::map<std::string, std::int64_t>{{"TRAIN", 1}}));
  ASSERT_EQ(summary.unmatched_rows.size(), 2u);
  EXPECT_EQ(summary.unmatched_rows[0].path, options_.split_file);
  EXPECT_THAT(summary.unmatched_rows[0].reason, HasSubstr("row 3: 'b.avi' was not found"));
  EXPECT_THAT(summary.unmatched_rows[1].reason, HasSubstr("row 4: 'p7' is the patient of no clip"));
}

}  // namespace
}  // namespace echopath::data
