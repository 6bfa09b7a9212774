// What a run does not write over, and what becomes of it where it cannot write.
#include <gtest/gtest.h>

#include <string>

#include "sample_support.hpp"

namespace echopath::generation {
namespace {

using testing::files_in;
using testing::message_of;
using testing::TemporaryFolder;
using testing::toy_options;

TEST(SampleFiles, WhatIsNoSamplingRunsIsNotWrittenOver) {
  for (const char* held : {"FileList.csv", "Videos/heart.avi", "Latents/heart.safetensors",
                           "config.json", "index.html", "contact_sheet.png"}) {
    const TemporaryFolder folder;
    SampleOptions options = toy_options(folder / "out");
    write_file(folder / "out" / held, "precious");
    for (const bool resume : {false, true}) {
      options.resume = resume;
      EXPECT_THROW(run_sampling(options), UsageError) << held;
      EXPECT_NE(message_of(options).find("and no manifest.jsonl"), std::string::npos) << held;
    }
    EXPECT_EQ(read_file(folder / "out" / held), "precious");
    EXPECT_EQ(files_in(folder / "out"), 1U);
  }
}

TEST(SampleFiles, TheConfigOfATrainingRunIsNotWrittenOver) {
  const TemporaryFolder folder;
  const SampleOptions options = toy_options(folder / "out");
  const std::string config = R"({"model": {}, "training": {"steps": 100}, "options": {}})";
  write_file(folder / "out/config.json", config);
  EXPECT_THROW(run_sampling(options), UsageError);
  EXPECT_EQ(read_file(folder / "out/config.json"), config);
}

// Killed after config.json and before the manifest.
TEST(SampleFiles, ARunThatHasOnlyItsConfigIsStartedAgain) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "whole");
  run_sampling(options);
  const std::string config = read_file(folder / "whole/config.json");
  options.out = (folder / "begun").string();
  write_file(folder / "begun/config.json", config);
  EXPECT_EQ(run_sampling(options).made, 1);
  EXPECT_EQ(read_file(folder / "begun/config.json"), config);
}

// A full disk shows there first: the contact sheet is the largest of the files beside the videos.
TEST(SampleFiles, ThePageIsThereWhereTheContactSheetCannotBeWritten) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  run_sampling(options);
  fs::remove(folder / "out/contact_sheet.png");
  write_file(folder / "out/contact_sheet.png/in_the_way", "");
  options.resume = true;
  options.count = 2;
  const std::string message = message_of(options);
  EXPECT_NE(message.find("out/contact_sheet.png'"), std::string::npos) << message;
  EXPECT_NE(message.find("go on with --resume"), std::string::npos) << message;
  EXPECT_NE(read_file(folder / "out/index.html").find("Videos/ASD_000011.mp4"), std::string::npos);
  fs::remove_all(folder / "out/contact_sheet.png");
  EXPECT_EQ(run_sampling(options).skipped, 2);
  EXPECT_TRUE(fs::is_regular_file(folder / "out/contact_sheet.png"));
}

TEST(SampleFiles, ADamagedVideoIsNamedWithWhatHelps) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.count = 2;
  run_sampling(options);
  const fs::path video = folder / "out/Videos/ASD_000011.mp4";
  write_file(video, "no video");
  options.resume = true;
  const std::string message = message_of(options);
  EXPECT_NE(message.find("out/Videos/ASD_000011.mp4'"), std::string::npos) << message;
  EXPECT_NE(message.find("; remove it, and --resume makes it anew"), std::string::npos) << message;
  fs::remove(video);
  EXPECT_EQ(run_sampling(options).made, 1);
}

/// Lets the next files that are written as `file` end in /dev/full, where no write finds space: the
/// number in their temporary names counts up.
void leave_no_space_for(const fs::path& file) {
  const std::string temporary = AtomicFile(file).temporary_path().string();
  const std::size_t number = temporary.rfind('-') + 1;
  const int next = std::stoi(temporary.substr(number)) + 1;
  for (int i = next; i < next + 64; ++i) {
    fs::create_symlink("/dev/full",
                       temporary.substr(0, number) + std::to_string(i) + file.extension().string());
  }
}

TEST(SampleFiles, AFullDiskInTheMiddleOfARunIsToldWithItsRemedy) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.count = 2;
  options.also = {"gif"};
  leave_no_space_for(folder / "out/GIF/ASD_000011.gif");
  const std::string message = message_of(options);
  EXPECT_NE(message.find("out/GIF/ASD_000011.gif'"), std::string::npos) << message;
  EXPECT_NE(message.find("No space left on device; the disk is full: free some space or choose "
                         "another folder; what was made stays in"),
            std::string::npos)
      << message;
  EXPECT_TRUE(fs::is_regular_file(folder / "out/GIF/ASD_000010.gif"));
  EXPECT_FALSE(fs::exists(folder / "out/GIF/ASD_000011.gif"));
  EXPECT_FALSE(fs::exists(folder / "out/Videos/ASD_000011.mp4"));
  EXPECT_NE(read_file(folder / "out/index.html").find("Videos/ASD_000010.mp4"), std::string::npos);
  options.resume = true;
  EXPECT_EQ(run_sampling(options).made, 1);
  EXPECT_EQ(files_in(folder / "out/GIF"), 2U);
}

TEST(SampleTrace, DoesNotGoWithResume) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  run_sampling(options);
  options.trace = (folder / "trace.safetensors").string();
  options.resume = true;
  options.count = 2;
  EXPECT_THROW(run_sampling(options), UsageError);
  EXPECT_NE(message_of(options).find("--trace does not go with --resume"), std::string::npos);
  EXPECT_FALSE(fs::exists(options.trace));
}

TEST(SampleTrace, ThatCannotBeWrittenIsRefusedBeforeAnythingIsDrawn) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.trace = (folder / "").string();
  EXPECT_THROW(run_sampling(options), UsageError);
  write_file(folder / "file", "");
  options.trace = (folder / "file/trace.safetensors").string();
  EXPECT_THROW(run_sampling(options), DataError);
  EXPECT_FALSE(fs::exists(folder / "out"));
  options.trace = (folder / "traces/trace.safetensors").string();
  run_sampling(options);
  EXPECT_EQ(files_in(folder / "traces"), 1U);  // nothing of the trial is left
}

}  // namespace
}  // namespace echopath::generation
