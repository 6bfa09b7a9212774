#include <gmock/gmock.h>

#include <cstring>

#include "data/import_support.hpp"
#include "echopath/io/nifti.hpp"

namespace echopath::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ImportCardiacNet : public tests::ImportTest {
 protected:
  /// 16×16×8, element (x, y, t) of value x + 16·y − t.
  fs::path write_image(const fs::path& relative) const {
    std::vector<std::uint8_t> bytes;
    for (int t = 0; t < 8; ++t) {
      for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<std::uint8_t>(std::max(i - t, 0)));
    }
    const fs::path path = root_ / relative;
    fs::create_directories(path.parent_path());
    io::write_nifti(path, 16, 16, 8, bytes);
    return path;
  }

  void write_layout() const {
    write_image("src/CardiacNet-ASD/ASD/001_image.nii.gz");
    write_image("src/CardiacNet-ASD/ASD/001_label.nii.gz");
    write_image("src/CardiacNet-ASD/ASD/020_image.nii/patient-2-4_image.nii");
    write_image("src/CardiacNet-ASD/ASD/021_image.nii/patient-2-4_image.nii");
    write_image("src/CardiacNet-ASD/2-Non-ASD/080_image.nii");
    write_image("src/CardiacNet-PAH/PAH/005_image.nii");
    write_image("src/CardiacNet-PAH/Non-PAH/001_image.nii/patient-2-4_image.nii");
    // Truncated, as some of the published files are.
    const std::string whole = bytes_of(root_ / "src/CardiacNet-PAH/PAH/005_image.nii");
    write("src/CardiacNet-PAH/PAH/077_image.nii", whole.substr(0, 1000));
    fs::create_directories(root_ / "src/CardiacNet-PAH/PAH/078_image.nii");
  }
};

TEST_F(ImportCardiacNet, TheLayoutAndItsOddities) {
  write_layout();
  plain(16);
  options_.source_fps = "32";
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.format, "cardiacnet");
  EXPECT_EQ(summary.imported, 6);
  EXPECT_EQ(summary.classes.at("ASD"), 3);
  EXPECT_EQ(summary.classes.at("Non-ASD"), 1);
  EXPECT_EQ(summary.classes.at("PAH"), 1);
  EXPECT_EQ(summary.classes.at("Non-PAH"), 1);
  ASSERT_EQ(summary.failed.size(), 2u);
  EXPECT_THAT(summary.failed[0].reason, HasSubstr("holds 0"));
  EXPECT_THAT(summary.failed[0].path.string(), HasSubstr("078_image.nii"));
  EXPECT_THAT(summary.failed[1].path.string(), HasSubstr("077_image.nii"));
  const auto made = rows();
  EXPECT_EQ(made.at("ASD_001").patient_id, "ASD_001");
  // The same patient twice in a class, and a namesake in another class.
  EXPECT_EQ(made.at("ASD_020").patient_id, "ASD_patient-2");
  EXPECT_EQ(made.at("ASD_021").patient_id, "ASD_patient-2");
  EXPECT_EQ(made.at("ASD_020").split, made.at("ASD_021").split);
  EXPECT_EQ(made.at("Non-PAH_001").patient_id, "Non-PAH_patient-2");
}

TEST_F(ImportCardiacNet, OrientationIsTheAntiDiagonalTranspose) {
  write_image("src/ASD/001_image.nii.gz");
  plain(16);
  options_.source_fps = "32";
  import_studies(options_);
  const io::Frames frames = load("ASD_001");
  ASSERT_EQ(frames.count, 8);
  // numpy: numpy.flip(numpy.rot90(a[:, :, 0], 1), 1)[r, c] = a[15 - c, 15 - r, 0].
  EXPECT_EQ(frames.frame(0)[0], 15 + 16 * 15);
  EXPECT_EQ(frames.frame(0)[15], 0 + 16 * 15);
  EXPECT_EQ(frames.frame(0)[3 * 16 + 5], (15 - 5) + 16 * (15 - 3));
  EXPECT_EQ(frames.frame(7)[3 * 16 + 5], (15 - 5) + 16 * (15 - 3) - 7);
}

TEST_F(ImportCardiacNet, AClassFolderItselfCanBeTheSource) {
  write_image("src/1-ASD/001_image.nii.gz");
  plain(16);
  options_.source = source_ / "1-ASD/";
  options_.source_fps = "32";
  EXPECT_EQ(import_studies(options_).classes.at("ASD"), 1);
}

TEST_F(ImportCardiacNet, WithoutARateTheImportStopsAndNamesTheOption) {
  write_layout();
  EXPECT_THAT(error<DataError>(), AllOf(HasSubstr("--source-fps"), HasSubstr("assume")));
  EXPECT_FALSE(fs::exists(options_.out));
}

TEST_F(ImportCardiacNet, AssumeRecordsTheRateAsUnknown) {
  write_layout();
  plain(16);
  options_.source_fps = "assume";
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.rate_assumed, 6);
  EXPECT_EQ(rows().at("ASD_001").fps, 32.0);
  EXPECT_EQ(load("ASD_001").count, 8);
  EXPECT_EQ(record().at("source_rate_unknown"), 6);
  EXPECT_EQ(record().at("clips").at("ASD_001").at("source_fps"), "unknown");
}

TEST_F(ImportCardiacNet, CsvsMayUsePathsAndNaturalNames) {
  write_layout();
  plain(16);
  options_.source_fps = "32";
  options_.labels_csv = write("labels.csv",
                              "FileName,ClassName,EF\n"
                              "ASD/001_image.nii.gz,ASD,51\n"               // below its class
                              "020_image,ASD,52\n"                          // bare
                              "021_image.nii/patient-2-4_image.nii,ASD,\n"  // too short a path
                              "CardiacNet-ASD/2-Non-ASD/080_image.nii,Non-ASD,54\n"  // whole path
                              "PAH_005,PAH,55\n");  // dataset's name
  const ImportSummary summary = import_studies(options_);
  const auto made = rows();
  EXPECT_EQ(made.at("ASD_001").ef, 51);
  EXPECT_EQ(made.at("ASD_020").ef, 52);
  EXPECT_EQ(made.at("Non-ASD_080").ef, 54);
  EXPECT_EQ(made.at("PAH_005").ef, 55);
  EXPECT_EQ(made.size(), 4u);
  ASSERT_EQ(summary.unmatched_rows.size(), 1u);
  EXPECT_THAT(summary.unmatched_rows[0].reason, HasSubstr("row 4"));
}

TEST_F(ImportCardiacNet, ANumberOfSeveralClassesIsRefusedByName) {
  write_layout();
  options_.source_fps = "32";
  for (const char* option : {"labels", "split"}) {
    const bool labels = std::string(option) == "labels";
    options_.labels_csv = options_.split_file = fs::path();
    (labels ? options_.labels_csv : options_.split_file) =
        write(std::string(option) + ".csv",
              labels ? "FileName,ClassName\n001_image,ASD\n" : "FileName,Split\n001_image,TRAIN\n");
    EXPECT_THAT(error<DataError>(), AllOf(HasSubstr("'001_image' may mean"),
                                          HasSubstr("'./CardiacNet-ASD/ASD/001_image.nii.gz'"),
                                          HasSubstr("'./CardiacNet-PAH/Non-PAH/001_image.nii'")));
  }
}

TEST_F(ImportCardiacNet, AHeaderThatAsksForGigabytesIsReported) {
  write_image("src/ASD/001_image.nii");
  std::string bytes = bytes_of(root_ / "src/ASD/001_image.nii").substr(0, 377);
  const std::int16_t sizes[4] = {3, 32000, 32000, 18};  // dim[0…3]: 18 GB
  std::memcpy(bytes.data() + 40, sizes, sizeof sizes);
  write("src/ASD/002_image.nii", bytes);
  plain(16);
  options_.source_fps = "32";
  const ImportSummary summary = import_studies(options_);
  EXPECT_EQ(summary.imported, 1);
  ASSERT_EQ(summary.failed.size(), 1u);
  EXPECT_THAT(summary.failed[0].path.string(), HasSubstr("002_image.nii"));
  EXPECT_THAT(summary.failed[0].reason, HasSubstr("GB"));
}

}  // namespace
}  // namespace echopath::data
