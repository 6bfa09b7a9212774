#include <gmock/gmock.h>
#include <sys/stat.h>

#include <regex>

#include "data/import_support.hpp"
#include "dicom_files.hpp"

namespace echopath::data {
namespace {

using echopath::tests::DicomWriter;
using testing::AllOf;
using testing::HasSubstr;

class ImportDicom : public tests::ImportTest {
 protected:
  /// A grey cine of 16×16, frame t of value 10·t.
  static DicomWriter cine(int frames, const std::string& patient, const std::string& uid) {
    DicomWriter writer(16, 16, frames);
    writer.pixels.clear();
    for (int t = 0; t < frames; ++t) writer.pixels.append(256, static_cast<char>(10 * t));
    writer.patient_id = patient;
    writer.sop_instance_uid = uid;
    return writer;
  }

  static DicomWriter timed_cine(int frames, const std::string& patient, const std::string& uid) {
    DicomWriter writer = cine(frames, patient, uid);
    writer.text(0x0018, 0x1063, "DS", "31.25");  // 32 fps
    return writer;
  }

  /// File names and the contents of the text files of the output; `videos`: of the videos too.
  std::string written(bool videos) const {
    std::string all;
    for (const auto& entry : fs::recursive_directory_iterator(options_.out)) {
      all += entry.path().filename().string() + "\n";
      const bool video = entry.path().extension() == ".avi";
      if (entry.is_regular_file() && (videos || !video)) all += bytes_of(entry.path());
    }
    return all;
  }

  /// Three bytes turn up in compressed pixels by chance, so short identifiers are looked for in
  /// text only.
  void expect_absent(const std::vector<std::string>& identifiers) const {
    for (const std::string& identifier : identifiers) {
      const bool videos = identifier.size() >= 5;
      EXPECT_EQ(written(videos).find(identifier), std::string::npos) << identifier << " leaked";
    }
  }
};

TEST_F(ImportDicom, RealCinesComeOutWithoutIdentifiers) {
  const fs::path folder = echopath::tests::dicom_folder();
  ASSERT_FALSE(folder.empty()) << echopath::tests::kDicomMissing;
  for (const char* name : {"color3d_jpeg_baseline", "examples_ybr_color", "OBXXXX1A_2frame",
                           "gdcm-US-ALOKA-16", "US1_J2KI"}) {
    fs::copy_file(folder / (std::string(name) + ".dcm"),
                  source_ / (std::string(name) + ".anything"));
  }
  // A fixed key: the digits of a random one's hashes could be those of a patient number.
  options_.hash_key_file = write("key", "a fixed key for this test\n");
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.format, "dicom");
  EXPECT_EQ(summary.imported, 2);
  ASSERT_EQ(summary.failed.size(), 3u);  // two stills, and a cine without a rate
  EXPECT_THAT(summary.failed[0].reason, HasSubstr("--source-fps"));
  EXPECT_THAT(summary.failed[1].reason, HasSubstr("--min-frames"));
  const auto made = rows();
  ASSERT_EQ(made.size(), 2u);
  std::vector<std::int64_t> counts;
  for (const auto& [name, study] : made) {
    EXPECT_TRUE(std::regex_match(name, std::regex("[0-9a-f]{16}"))) << name;
    EXPECT_TRUE(std::regex_match(study.patient_id, std::regex("[0-9a-f]{16}")));
    EXPECT_EQ(study.patient_id, made.begin()->second.patient_id);  // both of patient 204
    counts.push_back(study.number_of_frames);
  }
  // 120 and 30 frames at 30.0003 fps.
  EXPECT_THAT(counts, testing::UnorderedElementsAre(127, 31));
  expect_absent(
      {"PLA", "204", "1.2.840.114340", "8251017118051", "color3d", "examples_ybr", "SonoSite"});
}

TEST_F(ImportDicom, TheSectorIsCutOutOfARealCine) {
  const fs::path folder = echopath::tests::dicom_folder();
  ASSERT_FALSE(folder.empty()) << echopath::tests::kDicomMissing;
  fs::copy_file(folder / "color3d_jpeg_baseline.dcm", source_ / "a.dcm");
  options_.aspect = "letterbox";
  import_studies(options_);
  const io::Frames frames = load(rows().begin()->first);
  ASSERT_EQ(frames.width, 112);
  double middle = 0.0;
  for (std::int64_t t = 0; t < frames.count; ++t) {
    const std::uint8_t* frame = frames.frame(t);
    // The sector (511×360) is letterboxed to rows 16…95; its upper corners are outside.
    for (std::int64_t y = 0; y < 14; ++y) {
      for (std::int64_t x = 0; x < 112; ++x) ASSERT_EQ(frame[y * 112 + x], 0);
    }
    for (std::int64_t y = 16; y < 30; ++y) {
      for (std::int64_t x = 0; x < 20; ++x) ASSERT_EQ(frame[y * 112 + x], 0) << "left corner";
      for (std::int64_t x = 92; x < 112; ++x) ASSERT_EQ(frame[y * 112 + x], 0) << "right corner";
    }
    for (std::int64_t x = 45; x < 70; ++x) middle += frame[40 * 112 + x];
  }
  EXPECT_GT(middle / static_cast<double>(25 * frames.count), 30.0);
}

TEST_F(ImportDicom, NamesAreHashesUnderTheKey) {
  write("src/smith_john.dcm", timed_cine(8, "MRN-1", "1.2.3").file());
  write("src/other", timed_cine(8, "MRN-1", "1.2.4").file());
  write("src/third.dcm", timed_cine(8, "MRN-2", "1.2.5").file());
  plain(16);
  const ImportSummary first = import_studies(options_);
  EXPECT_EQ(first.imported, 3);
  EXPECT_EQ(first.key_file, root_ / "out.key");
  struct stat status {};
  ASSERT_EQ(::stat(first.key_file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(bytes_of(first.key_file).size(), 65u);
  std::map<std::string, int> per_patient;
  for (const auto& [name, study] : rows()) ++per_patient[study.patient_id];
  EXPECT_EQ(per_patient.size(), 2u);
  expect_absent({"MRN", "DOE", "1.2.3", "smith", "third"});

  // The same key gives the same names, another key others.
  const auto names = rows();
  options_.out = root_ / "again";
  options_.hash_key_file = first.key_file;
  import_studies(options_);
  EXPECT_EQ(rows().begin()->first, names.begin()->first);
  EXPECT_FALSE(fs::exists(root_ / "again.key"));
  options_.out = root_ / "other";
  options_.hash_key_file = write("other_key", "another key of enough length\n");
  import_studies(options_);
  EXPECT_FALSE(names.contains(rows().begin()->first));
}

TEST_F(ImportDicom, ShortOrMissingKeysAreRefused) {
  write("src/a.dcm", timed_cine(8, "MRN-1", "1.2.3").file());
  options_.hash_key_file = write("key", "short\n");
  EXPECT_THAT(error<UsageError>(), AllOf(HasSubstr("key"), HasSubstr("16")));
  options_.hash_key_file = root_ / "absent_key";
  EXPECT_THAT(error<DataError>(),
              AllOf(HasSubstr("absent_key' does not exist; put at least 16 random characters"),
                    HasSubstr("or leave the option out")));
}

TEST_F(ImportDicom, CopiesAreReportedAndEditedVersionsKept) {
  const std::string bytes = timed_cine(8, "MRN-1", "1.2.3").file();
  write("src/a.dcm", bytes);
  write("src/b.dcm", bytes);
  write("src/c.dcm", timed_cine(9, "MRN-1", "1.2.3").file());
  plain(16);
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.imported, 2);
  ASSERT_EQ(summary.failed.size(), 1u);
  EXPECT_THAT(summary.failed[0].path.string(), HasSubstr("b.dcm"));
  EXPECT_EQ(summary.failed[0].reason, "is a copy of a file that was imported already");
}

TEST_F(ImportDicom, UnevenFrameTimesAreResampledByTheirTimes) {
  DicomWriter writer = cine(4, "MRN-1", "1.2.3");
  // 0, 31.25, 62.5 and 187.5 ms: the third frame stays for four intervals of 32 fps.
  writer.text(0x0018, 0x1065, "DS", "0\\31.25\\31.25\\125");
  write("src/a.dcm", writer.file());
  plain(16);
  import_studies(options_);
  EXPECT_THAT(first_pixels(load(rows().begin()->first)),
              testing::ElementsAre(0, 10, 20, 20, 20, 30, 30, 30));
}

TEST_F(ImportDicom, LabelsByFileNameOrInstance) {
  write("src/x/a.dcm", timed_cine(8, "MRN-1", "1.2.3").file());
  write("src/x/b.dcm", timed_cine(8, "MRN-2", "1.2.4").file());
  write("src/x/c.dcm", timed_cine(8, "MRN-3", "1.2.5").file());
  options_.labels_csv = write("labels.csv",
                              "FileName,ClassName,PatientId\nx/a.dcm,ASD,MRN-3\n1.2.4,PAH,\n"
                              "c.dcm,PAH,\n");
  plain(16);
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.classes.at("ASD"), 1);
  EXPECT_EQ(summary.classes.at("PAH"), 2);
  std::map<std::string, int> clips;
  for (const auto& [name, study] : rows()) ++clips[study.patient_id];
  EXPECT_EQ(clips.size(), 2u);  // the CSV says that a.dcm is of the patient of c.dcm
  expect_absent({"MRN"});
}

TEST_F(ImportDicom, SplitFilesMayNameRawPatients) {
  write("src/a.dcm", timed_cine(8, "MRN-1", "1.2.3").file());
  write("src/b.dcm", timed_cine(8, "MRN-2", "1.2.4").file());
  options_.split_file = write("split.csv", "PatientId,Split\nMRN-1,TEST\nMRN-2,VAL\n");
  plain(16);
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.splits.at("TEST"), 1);
  EXPECT_EQ(summary.splits.at("VAL"), 1);
}

TEST_F(ImportDicom, FolderNamesAreNotClassesUnlessKnown) {
  write("src/SMITH_JOHN/a.dcm", timed_cine(8, "MRN-1", "1.2.3").file());
  write("src/PAH/JONES/b.dcm", timed_cine(8, "MRN-2", "1.2.4").file());
  plain(16);
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.classes.at(""), 1);
  EXPECT_EQ(summary.classes.at("PAH"), 1);
  expect_absent({"SMITH", "JONES"});
}

TEST_F(ImportDicom, StillsAreImportedWhereTheyAreAllowed) {
  write("src/a.dcm", cine(1, "MRN-1", "1.2.3").file());
  plain(16);
  EXPECT_THAT(error<DataError>(), AllOf(HasSubstr("1 frame;"), HasSubstr("--min-frames")));
  options_.min_frames = 1;
  import_studies(options_);
  EXPECT_EQ(load(rows().begin()->first).count, 1);
}

}  // namespace
}  // namespace echopath::data
