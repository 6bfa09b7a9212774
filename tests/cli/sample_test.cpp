// Golden tests of `echopath sample` with a toy model: 6 frames a block, 2 of them given.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/run_program.hpp"
#include "echopath/core/files.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/io/safetensors.hpp"
#include "generation/toy_model.hpp"

namespace echopath::cli {
namespace {

using generation::testing::kToyImageSize;
using generation::testing::shared_toy_model;
using nlohmann::json;
using ::testing::ElementsAre;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;

Outcome sample(const std::string& out, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"sample", "--model", shared_toy_model().string(),
                                        "--w",    "2",       "--blocks",
                                        "2",      "--steps", "2",
                                        "--seed", "3",       "--device",
                                        "cpu",    "--quiet", "--out",
                                        out};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run(arguments);
}

TEST(SampleVerb, WritesTheVideoAndWhatLiesBesideIt) {
  const TemporaryFolder folder;
  const std::string out = folder / "samples";
  const Outcome outcome = sample(out, {"--class", "ASD", "--trace", folder / "trace.safetensors"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const std::string paths =
      "contact sheet  " + out + "/contact_sheet.png\npage           " + out + "/index.html\n";
  const std::string video = "video          " + out + "/Videos/ASD_000003.mp4\n";
  EXPECT_EQ(outcome.out,
            video + paths + "made 1, there already 0, heart frames refused 0, unfiltered 0\n");

  const json line = json::parse(read_file(out + "/manifest.jsonl"));
  const models::ModelDirectory model = models::ModelDirectory::open(shared_toy_model());
  json hashes;
  for (const char* part : {"vae", "lidm", "lvdm", "reid", "class_embedding/lidm",
                           "class_embedding/lvdm", "scheduler"}) {
    hashes[part] = model.component_hash(part);
  }
  hashes["settings"] = line["weight_hashes"]["settings"];
  EXPECT_EQ(hashes["settings"].get<std::string>().size(), 64U);
  json expected = {{"index", 0},
                   {"file", "Videos/ASD_000003.mp4"},
                   {"class", "ASD"},
                   {"seed", 3},
                   {"also", json::array()},
                   {"heart", nullptr},
                   {"heart_rate", nullptr},
                   {"solver", "dpmsolver++"},
                   {"steps", 2},
                   {"sampler", "blocks"},
                   {"anchor", "hard"},
                   {"blocks", 2},
                   {"frames", 10},
                   {"block_length", 6},
                   {"context_frames", 2},
                   {"seam_fade", 0},
                   {"guidance_scale", 2.0},
                   {"height", kToyImageSize},
                   {"width", kToyImageSize},
                   {"fps", 32.0},
                   {"weight_hashes", hashes}};
  expected["video_guidance"] = {
      {"scale", 1.0}, {"frame_scale", 1.0}, {"rescale", 0.0}, {"interval", {0.0, 1.0}}};
  expected["privacy"] = {
      {"score", line["privacy"]["score"]}, {"tau", 2.0}, {"redraws", 0}, {"filtered", true}};
  EXPECT_EQ(line, expected);
  EXPECT_LE(line["privacy"]["score"].get<double>(), 1.0);

  const data::Dataset dataset = data::Dataset::open(out);
  ASSERT_EQ(dataset.studies().size(), 1U);
  EXPECT_EQ(dataset.studies()[0].class_name, "ASD");
  EXPECT_EQ(dataset.studies()[0].number_of_frames, 10);
  const io::Frames frames = dataset.load(dataset.studies()[0]);
  EXPECT_EQ(frames.count, 10);
  EXPECT_EQ(frames.width, kToyImageSize);

  const io::SafetensorsFile trace(folder / "trace.safetensors");
  EXPECT_THAT(trace.names(), ElementsAre("ASD_000003/block_0000", "ASD_000003/block_0001"));
  EXPECT_THAT(trace.shape("ASD_000003/block_0001"), ElementsAre(6, 4, 14, 14));
  const json config = json::parse(read_file(out + "/config.json"));
  EXPECT_EQ(config["options"]["blocks"], 2);
  EXPECT_EQ(config["options"]["classes"], json({"ASD"}));
  EXPECT_EQ(config["weight_hashes"], hashes);

  EXPECT_EQ(sample(out, {"--class", "ASD"}).exit_code, 2);  // not without --resume
  EXPECT_EQ(sample(out, {"--class", "ASD", "--resume"}).out,
            video + paths + "made 0, there already 1, heart frames refused 0, unfiltered 0\n");
}

TEST(SampleVerb, WithoutAClassEveryClassInTurn) {
  const TemporaryFolder folder;
  const Outcome outcome = sample(folder / "samples", {"--codec", "ffv1", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json report = json::parse(outcome.out);
  EXPECT_EQ(report["videos"], json({folder / "samples/Videos/ASD_000003.avi",
                                    folder / "samples/Videos/Non-ASD_000004.avi"}));
  EXPECT_EQ(report["directory"], folder / "samples");
  EXPECT_EQ(report["made"], 2);
  EXPECT_EQ(report["skipped"], 0);
  EXPECT_EQ(report["redraws"], 0);
  EXPECT_EQ(report["unfiltered"], 0);
}

TEST(SampleVerb, OptionsGoOverSetAndSetOverThePreset) {
  const TemporaryFolder folder;
  const std::string out = folder / "samples";
  const Outcome outcome = sample(out, {"--class", "ASD", "--preset", "fast", "--set",
                                       "solver.num_inference_steps=3", "--set", "seam_fade=1"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json options = json::parse(read_file(out + "/config.json")).at("options");
  EXPECT_EQ(options["solver"]["num_inference_steps"], 2);
  EXPECT_EQ(options["seam_fade"], 1);
  EXPECT_EQ(options["precision"], "bf16") << "the preset's";
  EXPECT_EQ(json::parse(read_file(out + "/manifest.jsonl"))["steps"], 2);
}

TEST(SampleVerb, ResumeWhereThereIsNoRunStartsOneAndSaysSo) {
  const TemporaryFolder folder;
  const std::vector<std::string> resume = {"--class", "ASD", "--resume"};
  const Outcome first = sample(folder / "samples", resume);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.err, ::testing::HasSubstr("--resume: '" + (folder / "samples") +
                                              "' holds no sampling run (no manifest.jsonl)"));
  EXPECT_THAT(first.out, ::testing::HasSubstr("made 1, there already 0"));
  EXPECT_EQ(sample(folder / "samples", resume).err, "");
}

TEST(SampleVerb, StitchesWindowsOnDemand) {
  const TemporaryFolder folder;
  const std::string out = folder / "samples";
  const Outcome outcome = sample(
      out, {"--class", "ASD", "--sampler", "stitched", "--trace", folder / "trace.safetensors"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const json line = json::parse(read_file(out + "/manifest.jsonl"));
  EXPECT_EQ(line["sampler"], "stitched");
  EXPECT_EQ(line["anchor"], "none");
  EXPECT_EQ(line["context_frames"], 3);  // half a window is shared
  EXPECT_EQ(line["frames"], 9);
  const data::Dataset dataset = data::Dataset::open(out);
  EXPECT_EQ(dataset.load(dataset.studies().at(0)).count, 9);
  const io::SafetensorsFile trace(folder / "trace.safetensors");
  EXPECT_THAT(trace.shape("ASD_000003/video"), ElementsAre(9, 4, 14, 14));

  const Outcome other = sample(out, {"--class", "ASD", "--resume"});  // with the block sampler
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err,
              ::testing::HasSubstr("options.sampler is \"stitched\" there and \"blocks\" now"));
}

TEST(SampleVerb, RefusesASamplerOrAnOverlapThatIsNotThere) {
  const TemporaryFolder folder;
  const Outcome unknown = sample(folder / "a", {"--sampler", "woven"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, ::testing::HasSubstr("sampler"));
  const Outcome overlap =
      sample(folder / "b", {"--sampler", "stitched", "--set", "stitched.overlap=6"});
  EXPECT_EQ(overlap.exit_code, 2);
  EXPECT_THAT(overlap.err, ::testing::HasSubstr("stitched.overlap is 6"));
  EXPECT_FALSE(std::filesystem::exists(folder / "b"));
}

}  // namespace
}  // namespace echopath::cli
