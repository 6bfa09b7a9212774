// Golden tests of `echopath import`: exit code, every line of standard output, what is written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"
#include "echopath/core/files.hpp"
#include "echopath/data/dataset.hpp"

namespace echopath::cli {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;
using testing::write_text;

/// Four phantom studies of five frames, one of each class.
void simulate(const std::string& out, const std::string& layout) {
  const Outcome outcome = run({"phantom", "--patients", "4", "--frames", "5", "--seed", "3",
                               "--layout", layout, "--quiet", "--out", out});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

TEST(ImportVerb, CardiacNetComesOutAsThePhantomDrewIt) {
  const TemporaryFolder folder;
  simulate(folder / "nifti", "cardiacnet");
  simulate(folder / "drawn", "dataset");
  write_text(folder / "nifti/ASD/002_image.nii", "short");
  const Outcome outcome = run({"import", folder / "nifti", "--source-fps", "32", "--intensity",
                               "none", "--split", "100,0,0", "--quiet", "--out", folder / "data"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out.substr(0, outcome.out.find("2_image.nii: ")),
            "not imported: " + folder / "nifti/ASD/00");
  EXPECT_EQ(outcome.out.substr(outcome.out.find('\n') + 1),
            "classes:  ASD 1  Non-ASD 1  Non-PAH 1  PAH 1\n"
            "splits:   TRAIN 4\n"
            "imported 4 clips (cardiacnet) to " +
                folder / "data" + "; 1 file could not be imported\n");
  EXPECT_THAT(names_in(folder / "data"), ElementsAre("FileList.csv", "Videos", "import.json"));
  EXPECT_THAT(names_in(folder / "data/Videos"),
              ElementsAre("ASD_001.avi", "Non-ASD_001.avi", "Non-PAH_001.avi", "PAH_001.avi"));
  const data::Dataset made = data::Dataset::open(folder / "data");
  const data::Dataset drawn = data::Dataset::open(folder / "drawn");
  ASSERT_EQ(made.studies().size(), 4U);
  for (const data::Study& study : made.studies()) {
    EXPECT_EQ(study.patient_id, study.file_name);
    const auto same_class = std::find_if(
        drawn.studies().begin(), drawn.studies().end(),
        [&](const data::Study& other) { return other.class_name == study.class_name; });
    ASSERT_NE(same_class, drawn.studies().end());
    EXPECT_EQ(made.load(study).pixels, drawn.load(*same_class).pixels) << study.file_name;
  }
}

TEST(ImportVerb, FilesWithoutALabelAndRowsWithoutAFileAreCountedApart) {
  const TemporaryFolder folder;
  simulate(folder / "drawn", "dataset");
  const std::string source = folder / "drawn/Videos";
  write_text(source + "/broken.avi", "no video");
  write_text(folder / "labels.csv",
             "FileName,ClassName,PatientId\nASD_0001.avi,ASD,p1\nPAH_0001,PAH,p2\n"
             "broken.avi,PAH,p3\ngone.avi,PAH,p4\n");
  const Outcome outcome = run({"import", source, "--labels", folder / "labels.csv", "--mask",
                               "none", "--split", "100,0,0", "--quiet", "--out", folder / "data"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const std::string labels = folder / "labels.csv";
  const std::size_t second = outcome.out.find('\n') + 1;
  EXPECT_EQ(outcome.out.rfind("not imported: " + source + "/broken.avi: ", 0), 0U) << outcome.out;
  EXPECT_EQ(outcome.out.substr(second),
            "no label: " + source + "/Non-ASD_0001.avi: has no row in '" + labels + "'\n" +
                "no label: " + source + "/Non-PAH_0001.avi: has no row in '" + labels + "'\n" +
                "no clip: " + labels +
                ": row 5: 'gone.avi' was not found in the source; check its FileName\n"
                "classes:  ASD 1  PAH 1\n"
                "splits:   TRAIN 2\n"
                "imported 2 clips (video) to " +
                folder / "data" +
                "; 1 file could not be imported; 2 files have no label; 1 row lists no clip\n");
}

TEST(ImportVerb, JsonHoldsTheSameInParts) {
  const TemporaryFolder folder;
  simulate(folder / "drawn", "dataset");
  write_text(folder / "labels.csv",
             "FileName,ClassName\nASD_0001,ASD\nPAH_0001,PAH\nNon-PAH_0001,Non-PAH\ngone,ASD\n");
  const Outcome outcome =
      run({"import", folder / "drawn/Videos", "--labels", folder / "labels.csv", "--split",
           "100,0,0", "--json", "--quiet", "--out", folder / "data"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["out"], folder / "data");
  EXPECT_EQ(report["format"], "video");
  EXPECT_EQ(report["imported"], 3);
  EXPECT_EQ(report["rate_assumed"], 0);
  EXPECT_EQ(report["failed"], json::array());
  ASSERT_EQ(report["unlabelled"].size(), 1U);
  EXPECT_EQ(report["unlabelled"][0]["path"], folder / "drawn/Videos/Non-ASD_0001.avi");
  ASSERT_EQ(report["unmatched_rows"].size(), 1U);
  EXPECT_EQ(report["unmatched_rows"][0]["path"], folder / "labels.csv");
  EXPECT_EQ(report["classes"], json({{"ASD", 1}, {"Non-PAH", 1}, {"PAH", 1}}));
  EXPECT_EQ(report["splits"], json({{"TRAIN", 3}}));
  EXPECT_EQ(report["key_file"], "");
}

TEST(ImportVerb, AFullDiskIsSaidOfTheFinalNameAndLeavesNothing) {
  const TemporaryFolder folder;
  simulate(folder / "drawn", "dataset");
  const Outcome outcome =
      run({"import", folder / "drawn", "--out", folder / "data"}, "trap '' XFSZ; ulimit -f 8;");
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(testing::last_line(outcome.err)
                .rfind("echopath: error: video '" + folder / "data/Videos/ASD_0001.avi" + "': ", 0),
            0U)
      << outcome.err;
  EXPECT_EQ(outcome.err.find(".tmp-"), std::string::npos) << outcome.err;
  EXPECT_THAT(names_in(folder.path()), ElementsAre("drawn"));
}

}  // namespace
}  // namespace echopath::cli
