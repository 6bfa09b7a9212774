// What `sample` refuses, and what it says then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "cli/run_program.hpp"
#include "echopath/core/files.hpp"
#include "generation/toy_model.hpp"

namespace echopath::cli {
namespace {

namespace fs = std::filesystem;
using generation::testing::shared_toy_model;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;

class SampleBadInput : public ::testing::Test {
 protected:
  Outcome sample(const std::vector<std::string>& more, const std::string& out = "out",
                 const std::string& prefix = "") const {
    std::vector<std::string> arguments = {"sample", "--model", model_,       "--device",
                                          "cpu",    "--out",   folder_ / out};
    for (const char* option : {"--steps", "--blocks"}) {
      if (std::find(more.begin(), more.end(), option) != more.end()) continue;
      arguments.insert(arguments.end(), {option, "1"});
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments, prefix);
  }
  /// One line that says so, with this code, and nothing written.
  void expect_refusal(const Outcome& outcome, int code, const std::string& part) const {
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    const std::string line = testing::last_line(outcome.err);
    EXPECT_EQ(line.rfind("echopath: error: ", 0), 0U) << outcome.err;
    EXPECT_THAT(line, HasSubstr(part));
    EXPECT_FALSE(fs::exists(folder_ / "out"));
  }

  TemporaryFolder folder_;
  std::string model_ = shared_toy_model().string();
};

TEST_F(SampleBadInput, ValuesOutOfRangeNameTheirOption) {
  expect_refusal(sample({"--w=-1"}), 2, "sample --w: guidance_scale: -1.0 is out of range");
  expect_refusal(sample({"--blocks", "0"}), 2, "sample --blocks: blocks: 0 is out of range");
  expect_refusal(sample({"--count", "0"}), 2, "sample --count: count: 0 is out of range");
  expect_refusal(sample({"--steps", "0"}), 2, "sample --steps: solver.num_inference_steps: 0 is");
  expect_refusal(sample({"--ef", "101"}), 2, "sample --ef: ejection_fraction: 101 is out of range");
  expect_refusal(sample({"--guidance-interval", "0.9,0.1"}), 2,
                 "guidance.interval_end (--guidance-interval LOW,HIGH)");
  expect_refusal(sample({"--guidance-interval", "0.1,2"}), 2,
                 "sample --guidance-interval: guidance.interval_end: 2.0 is out of range");
  expect_refusal(sample({"--guidance-rescale", "2"}), 2,
                 "sample --guidance-rescale: guidance.rescale: 2.0 is out of range");
  expect_refusal(sample({"--batch", "0"}), 2, "sample --batch: batch: 0 is out of range");
  expect_refusal(sample({"--set", "batch=0"}), 2, "--set: batch: 0 is out of range");
}

TEST_F(SampleBadInput, GuidanceThatDoesNothingIsToldWhereItIsAskedFor) {
  const std::string heart = folder_ / "none.png";
  const std::string told = "w does nothing: --heart leaves the LIDM out";
  EXPECT_THAT(sample({"--heart", heart}).err, Not(HasSubstr(told)));
  EXPECT_THAT(sample({"--heart", heart, "--w", "5"}).err, HasSubstr(told));
  EXPECT_THAT(sample({"--heart", heart, "--set", "guidance_scale=4"}).err, HasSubstr(told));
}

TEST_F(SampleBadInput, UnknownNamesListTheKnownOnes) {
  expect_refusal(sample({"--classes", "ASD,XYZ"}), 2, "known classes: ASD, Non-ASD");
  expect_refusal(sample({"--solver", "ddmp"}), 2, "ddpm");
  expect_refusal(sample({"--also", "webm"}), 2, "gif, png, latents, dicom");
  expect_refusal(sample({"--precision", "half"}), 2, "fp32|bf16|fp16");
  expect_refusal(sample({"--precision", "fp16"}), 2, "on a CPU use bf16");
  expect_refusal(sample({"--context-frames", "3"}), 2, "--context-frames must be 1 to 2");
  expect_refusal(sample({"--context-frames", "1", "--sampler", "stitched"}), 2, "stitched.overlap");
  expect_refusal(sample({"--preset", "blanced"}), 2, "did you mean balanced?); presets: balanced");
}

TEST_F(SampleBadInput, ModelsThatCannotSampleAreNamed) {
  fs::copy(shared_toy_model(), folder_ / "model", fs::copy_options::recursive);
  model_ = folder_ / "model";
  models::update_model_info(model_, [](models::ModelInfo& info) {
    info.latent_shape = {4, 28, 28};
  });
  expect_refusal(sample({}), 3, "latent_shape in echopath.json");
  fs::remove_all(folder_ / "model/lvdm");
  expect_refusal(sample({}), 3, "lvdm");
}

TEST_F(SampleBadInput, FlowSolverNeedsAModelOfFlow) {
  expect_refusal(sample({"--solver", "flow_euler"}), 2, "use one of ddpm, ddim");
}

TEST_F(SampleBadInput, FolderWithAnotherRunIsLeftAlone) {
  ASSERT_EQ(sample({"--class", "ASD"}, "other").exit_code, 0);
  const std::string manifest = folder_ / "other/manifest.jsonl";
  const auto written = fs::last_write_time(manifest);
  const Outcome again = sample({"--class", "ASD"}, "other");
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, HasSubstr("already holds a sampling run; go on with it by --resume"));
  const Outcome other = sample({"--class", "Non-ASD", "--steps", "2", "--resume"}, "other");
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("(options.classes is [\"ASD\"] there and [\"Non-ASD\"] now, "
                                   "options.solver.num_inference_steps is 1 there and 2 now)"));
  EXPECT_EQ(fs::last_write_time(manifest), written);
}

TEST_F(SampleBadInput, ADatasetIsNotWrittenOver) {
  const std::string list = folder_ / "data/FileList.csv";
  testing::write_text(list, "FileName,ClassName\n");
  expect_refusal(sample({}, "data"), 2, "holds FileList.csv and no manifest.jsonl");
  expect_refusal(sample({"--resume"}, "data"), 2, "choose another --out");
  EXPECT_EQ(read_file(list), "FileName,ClassName\n");
}

TEST_F(SampleBadInput, TracesThatCannotBeKeptAreRefusedAtOnce) {
  const std::string trace = folder_ / "trace.safetensors";
  expect_refusal(sample({"--trace", trace, "--resume"}), 2, "--trace does not go with --resume");
  expect_refusal(sample({"--trace", folder_.path().string()}), 2, "is a folder; name a file");
  testing::write_text(folder_ / "file", "");
  expect_refusal(sample({"--trace", folder_ / "file/trace.safetensors"}), 3, folder_ / "file");
}

TEST_F(SampleBadInput, SeedsBeyondTheLargestAreNamed) {
  expect_refusal(sample({"--seed", "18446744073709551615"}), 2,
                 "--seed 18446744073709551615 is too large for sample");
  expect_refusal(sample({"--seed", "9223372036854775807", "--class", "ASD", "--count", "2"}), 2,
                 "take 0 to 9223372036854775806");
}

TEST_F(SampleBadInput, FolderThatCannotBeWrittenIsNamed) {
  // root may write anywhere but into the kernel's own file systems.
  fs::create_directories(folder_ / "locked");
  fs::permissions(folder_ / "locked", fs::perms::owner_read | fs::perms::owner_exec);
  const std::string out =
      ::geteuid() == 0 ? std::string("/proc/echopath_samples") : folder_ / "locked/samples";
  const Outcome outcome = run({"sample", "--model", model_, "--steps", "1", "--out", out});
  expect_refusal(outcome, 3, out);
}

TEST_F(SampleBadInput, UnsupportedCodecIsReplacedAndTheOneUsedNamed) {
  const Outcome outcome = sample({"--class", "ASD", "--codec", "hevc"}, "replaced");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("codec 'hevc' is not supported here"));
  EXPECT_THAT(outcome.err, HasSubstr("written as H.264 MP4 (h264)"));
  EXPECT_TRUE(fs::exists(folder_ / "replaced/Videos/ASD_000000.mp4"));
}

TEST_F(SampleBadInput, HeartFilesThatAreNoneAreNamed) {
  expect_refusal(sample({"--heart", folder_ / "none.png"}), 3, "none.png' does not exist");
  testing::write_text(folder_ / "bad.png", "no picture");
  expect_refusal(sample({"--heart", folder_ / "bad.png"}), 3, "bad.png' cannot be decoded");
  testing::write_text(folder_ / "heart.txt", "none of them");
  expect_refusal(sample({"--heart", folder_ / "heart.txt"}), 3,
                 ".webp), a video, a DICOM file or latents (.safetensors)");
  testing::write_text(folder_ / "bad.safetensors", "none");
  expect_refusal(sample({"--heart", folder_ / "bad.safetensors"}), 3, "bad.safetensors");
}

// As many bytes a file as the metadata take, and fewer than a video does: a full disk in the
// middle of the run. What was made stays, and the run goes on.
TEST_F(SampleBadInput, FullDiskStopsCleanlyAndTheRunGoesOn) {
  const std::vector<std::string> more = {"--class", "ASD", "--count", "2", "--codec", "ffv1"};
  ASSERT_EQ(sample({"--class", "ASD", "--codec", "ffv1"}, "full").exit_code, 0);
  std::vector<std::string> resumed = more;
  resumed.emplace_back("--resume");
  const Outcome stopped = sample(resumed, "full", "trap '' XFSZ; ulimit -f 8;");
  EXPECT_EQ(stopped.exit_code, 3) << stopped.err;
  EXPECT_THAT(testing::last_line(stopped.err), HasSubstr("ASD_000001"));
  EXPECT_THAT(testing::last_line(stopped.err), HasSubstr("go on with --resume"));
  EXPECT_EQ(stopped.err.find("libpng"), std::string::npos) << stopped.err;
  EXPECT_TRUE(fs::exists(folder_ / "full/Videos/ASD_000000.avi"));
  const Outcome rest = sample(resumed, "full");
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_THAT(rest.out, HasSubstr("made 1, there already 1"));
}

}  // namespace
}  // namespace echopath::cli
