// Every kind of bad input gets one line that names the thing and the remedy, the right exit code,
// and leaves no output under its final name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "cli/run_program.hpp"
#include "dicom_files.hpp"
#include "generation/toy_model.hpp"

namespace echopath::cli {
namespace {

namespace fs = std::filesystem;
using generation::testing::shared_toy_model;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;
using testing::write_text;

constexpr const char* kColumns =
    "FileName,ClassName,PatientId,Split,FPS,NumberOfFrames,FrameHeight,FrameWidth\n";

/// One line that starts as all errors do and holds every part.
void expect_one_line_error(const Outcome& outcome, int exit_code,
                           const std::vector<std::string>& parts) {
  EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  const std::string line = testing::last_line(outcome.err);
  EXPECT_EQ(line.rfind("echopath: error: ", 0), 0U) << outcome.err;
  for (const std::string& part : parts) EXPECT_THAT(line, HasSubstr(part));
  EXPECT_EQ(outcome.err.find("Exception raised from"), std::string::npos);
}

std::string bytes(std::uint64_t value, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += static_cast<char>(value >> (8 * i) & 0xFF);
  return text;
}

std::string chunk(const std::string& name, const std::string& content) {
  return name + bytes(content.size(), 4) + content;
}

/// An AVI of uncompressed 16×16 video whose headers are right and which holds no frame.
std::string avi_without_frames() {
  const std::string main_header = bytes(31250, 4) + bytes(0, 20) + bytes(1, 4) + bytes(0, 4) +
                                  bytes(16, 4) + bytes(16, 4) + bytes(0, 16);
  const std::string stream_header =
      "vids" + bytes(0, 16) + bytes(1, 4) + bytes(32, 4) + bytes(0, 8) + bytes(0, 12) + bytes(0, 8);
  const std::string format = bytes(40, 4) + bytes(16, 4) + bytes(16, 4) + bytes(1, 2) +
                             bytes(24, 2) + bytes(0, 4) + bytes(768, 4) + bytes(0, 16);
  const std::string stream =
      chunk("LIST", "strl" + chunk("strh", stream_header) + chunk("strf", format));
  return chunk("RIFF", "AVI " + chunk("LIST", "hdrl" + chunk("avih", main_header) + stream) +
                           chunk("LIST", "movi"));
}

/// A NIfTI-1 header that asks for 1500×1500×1000 float64 values, and 25 bytes more.
std::string nifti_of_18_gigabytes_in_377_bytes() {
  std::string file(377, '\0');
  const auto put = [&](std::size_t offset, const std::string& value) {
    std::copy(value.begin(), value.end(), file.begin() + static_cast<std::ptrdiff_t>(offset));
  };
  put(0, bytes(348, 4));
  put(40, bytes(3, 2) + bytes(1500, 2) + bytes(1500, 2) + bytes(1000, 2) + bytes(1, 2));
  put(70, bytes(64, 2) + bytes(64, 2));  // float64
  const float offset = 352.0F;
  std::memcpy(file.data() + 108, &offset, sizeof offset);
  put(344, std::string("n+1\0", 4));
  return file;
}

TEST(BadInput, MissingPathIsNamed) {
  const TemporaryFolder folder;
  const Outcome outcome = run({"encode", "--data", "/no/such/dataset", "--model",
                               shared_toy_model().string(), "--out", folder / "latents"});
  expect_one_line_error(outcome, 3, {"/no/such/dataset"});
  EXPECT_FALSE(fs::exists(folder / "latents/FileList.csv"));
}

TEST(BadInput, MissingImportSourceIsNamed) {
  const TemporaryFolder folder;
  const Outcome outcome = run({"import", "/no/such/studies", "--out", folder / "data"});
  expect_one_line_error(outcome, 3, {"/no/such/studies"});
  EXPECT_FALSE(fs::exists(folder / "data"));
}

TEST(BadInput, EmptyDatasetIsRefused) {
  const TemporaryFolder folder;
  write_text(folder / "data/FileList.csv", kColumns);
  const Outcome outcome = run({"encode", "--data", folder / "data", "--model",
                               shared_toy_model().string(), "--out", folder / "latents"});
  expect_one_line_error(outcome, 3, {folder / "data"});
}

TEST(BadInput, RowWithoutItsVideoIsNamed) {
  const TemporaryFolder folder;
  write_text(folder / "data/FileList.csv",
             std::string(kColumns) + "ASD_0001,ASD,P1,TRAIN,32,64,112,112\n");
  fs::create_directories(folder / "data/Videos");
  const Outcome outcome = run({"encode", "--data", folder / "data", "--model",
                               shared_toy_model().string(), "--out", folder / "latents"});
  expect_one_line_error(outcome, 3, {"ASD_0001", "row 2"});
}

TEST(BadInput, VideoWithoutFramesIsRefused) {
  const TemporaryFolder folder;
  write_text(folder / "studies/empty.avi", avi_without_frames());
  write_text(folder / "labels.csv", "FileName,ClassName,PatientId\nempty.avi,ASD,P1\n");
  const Outcome outcome = run(
      {"import", folder / "studies", "--labels", folder / "labels.csv", "--out", folder / "data"});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("empty.avi"));
  EXPECT_FALSE(fs::exists(folder / "data"));
}

TEST(BadInput, OneFrameDicomIsNoCine) {
  const TemporaryFolder folder;
  write_text(folder / "studies/still.dcm", tests::DicomWriter(32, 32, 1).file());
  const Outcome outcome = run({"import", folder / "studies", "--format", "dicom", "--source-fps",
                               "30", "--out", folder / "data"});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("still.dcm"), HasSubstr("frame")));
  EXPECT_FALSE(fs::exists(folder / "data"));
}

TEST(BadInput, NiftiHeaderLargerThanItsFileIsRefused) {
  const TemporaryFolder folder;
  write_text(folder / "studies/ASD/001_image.nii", nifti_of_18_gigabytes_in_377_bytes());
  const Outcome outcome = run({"import", folder / "studies", "--format", "cardiacnet",
                               "--source-fps", "30", "--out", folder / "data"});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("001_image.nii"));
  EXPECT_EQ(outcome.err.find("memory"), std::string::npos) << outcome.err;
  EXPECT_FALSE(fs::exists(folder / "data"));
}

TEST(BadInput, CardiacNetWithoutAFrameRateNamesTheOption) {
  const TemporaryFolder folder;
  ASSERT_EQ(run({"phantom", "--layout", "cardiacnet", "--patients", "2", "--frames", "3", "--quiet",
                 "--out", folder / "studies"})
                .exit_code,
            0);
  const Outcome outcome =
      run({"import", folder / "studies", "--format", "cardiacnet", "--out", folder / "data"});
  expect_one_line_error(outcome, 3, {"--source-fps"});
  EXPECT_FALSE(fs::exists(folder / "data"));
}

TEST(BadInput, HugeSafetensorsHeaderIsRefused) {
  const TemporaryFolder folder;
  fs::copy(shared_toy_model(), folder / "model", fs::copy_options::recursive);
  const std::string weights = folder / "model/vae/diffusion_pytorch_model.safetensors";
  write_text(weights, bytes(std::uint64_t{1} << 60, 8) + "{}");
  write_text(folder / "latents/FileList.csv",
             std::string(kColumns) + "A,ASD,P1,TRAIN,32,2,28,28\n");
  const Outcome outcome = run({"sample", "--model", folder / "model", "--out", folder / "samples"});
  expect_one_line_error(outcome, 3, {"vae/diffusion_pytorch_model.safetensors", "header"});
  EXPECT_FALSE(fs::exists(folder / "samples/manifest.jsonl"));
}

TEST(BadInput, MisspeltConfigKeyIsNamedWithTheNearest) {
  const TemporaryFolder folder;
  const std::string config = folder / "lidm.json";
  write_text(config, R"({"training": {"learning_rat": 1e-4}})");
  const Outcome outcome = run({"train", "lidm", "--config", config, "--out", folder / "run"});
  expect_one_line_error(outcome, 2,
                        {config + ": training.learning_rat: unknown key; did you mean "
                                  "'training.learning_rate'?"});
  EXPECT_FALSE(fs::exists(folder / "run"));
}

TEST(BadInput, UnknownClassListsTheKnownOnes) {
  const TemporaryFolder folder;
  const Outcome outcome = run({"sample", "--class", "ADS", "--model", shared_toy_model().string(),
                               "--out", folder / "samples"});
  expect_one_line_error(outcome, 2, {"'ADS'", "ASD, Non-ASD"});
  EXPECT_FALSE(fs::exists(folder / "samples"));
}

TEST(BadInput, ModelDirectoryWithAMissingPartNamesIt) {
  const TemporaryFolder folder;
  fs::copy(shared_toy_model(), folder / "model", fs::copy_options::recursive);
  fs::remove_all(folder / "model/lvdm");
  const Outcome outcome =
      run({"sample", "--class", "ASD", "--model", folder / "model", "--out", folder / "samples"});
  expect_one_line_error(outcome, 3, {folder / "model", "lvdm"});
  EXPECT_FALSE(fs::exists(folder / "samples"));
}

TEST(BadInput, FolderThatIsNoModelIsNamed) {
  const TemporaryFolder folder;
  const Outcome outcome =
      run({"sample", "--model", folder.path().string(), "--out", folder / "samples"});
  expect_one_line_error(outcome, 3, {folder.path().string()});
}

TEST(BadInput, FullDiskLeavesNothingUnderTheFinalName) {
  const TemporaryFolder folder;
  // A limit on the size of files makes every longer write fail, as a full disk does.
  const Outcome outcome =
      run({"phantom", "--out", folder / "data", "--patients", "1"}, "trap '' XFSZ; ulimit -f 8;");
  expect_one_line_error(outcome, 3, {"data"});
  EXPECT_FALSE(fs::exists(folder / "data"));
}

TEST(BadInput, SamplingOnAFullDiskLeavesNoVideoAndResumes) {
  const TemporaryFolder folder;
  const std::vector<std::string> arguments = {
      "sample",           "--class", "ASD",      "--model", shared_toy_model().string(),
      "--steps",          "1",       "--blocks", "1",       "--out",
      folder / "samples", "--codec", "ffv1"};
  // More than config.json and less than the video.
  const Outcome stopped = run(arguments, "trap '' XFSZ; ulimit -f 8;");
  expect_one_line_error(stopped, 3, {"ASD_000000"});
  EXPECT_TRUE(fs::is_empty(folder / "samples/Videos"));
  EXPECT_TRUE(fs::is_empty(folder / "samples/manifest.jsonl"));
  std::vector<std::string> again = arguments;
  again.push_back("--resume");
  EXPECT_EQ(run(again).exit_code, 0);
  EXPECT_TRUE(fs::exists(folder / "samples/Videos/ASD_000000.avi"));
}

TEST(BadInput, SamplingIntoAFolderThatCannotBeMadeIsNamed) {
  const TemporaryFolder folder;
  write_text(folder / "file", "not a folder");
  const Outcome outcome =
      run({"sample", "--model", shared_toy_model().string(), "--out", folder / "file/samples"});
  expect_one_line_error(outcome, 3, {folder / "file/samples", "Not a directory"});
}

TEST(BadInput, ExistingOutputIsNotTouched) {
  const TemporaryFolder folder;
  write_text(folder / "data/mine.txt", "precious");
  const Outcome outcome = run({"phantom", "--out", folder / "data", "--patients", "1"});
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr(folder / "data"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "data"), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace echopath::cli
