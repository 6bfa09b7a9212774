#include "echopath/generation/sample.hpp"

#include <gtest/gtest.h>

#include <csignal>

#include "echopath/core/errors.hpp"
#include "echopath/core/folder_lock.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/io/video.hpp"
#include "sample_support.hpp"

namespace echopath::generation {
namespace {

using testing::files_in;
using testing::message_of;
using testing::shared_toy_model;
using testing::TemporaryFolder;
using testing::toy_options;

TEST(Sample, RefusesASolverThatDoesNotFitTheModelBeforeItWrites) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.solver.name = "flow_euler";
  EXPECT_NE(message_of(options).find("flow_euler"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(Sample, WritesAVideoOfTheRightLengthAndItsCompany) {
  const TemporaryFolder folder;
  const SampleSummary summary = run_sampling(toy_options(folder / "out"));
  ASSERT_EQ(summary.videos.size(), 1U);
  EXPECT_EQ(summary.made, 1);
  EXPECT_EQ(summary.videos[0].filename(), "ASD_000010.mp4");
  const io::Frames frames = io::read_video(summary.videos[0]);
  EXPECT_EQ(frames.count, 6 + (6 - 2) * 1);
  EXPECT_EQ(frames.height, testing::kToyImageSize);
  EXPECT_NEAR(frames.fps, 32.0, 1e-6);
  EXPECT_TRUE(fs::is_regular_file(summary.contact_sheet));
  EXPECT_TRUE(fs::is_regular_file(folder / "out/config.json"));
  EXPECT_NE(read_file(summary.index).find("Videos/ASD_000010.mp4"), std::string::npos);

  const data::Dataset dataset = data::Dataset::open(folder / "out");
  ASSERT_EQ(dataset.studies().size(), 1U);
  EXPECT_EQ(dataset.studies()[0].class_name, "ASD");
  EXPECT_EQ(dataset.studies()[0].number_of_frames, 10);
}

TEST(Sample, ManifestSaysWhatMadeTheVideo) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.guidance = {.scale = 2.0, .rescale = 0.5, .interval_start = 0.1, .interval_end = 0.9};
  options.video_guidance_share = 0.25;
  run_sampling(options);
  const auto entries = read_manifest(folder / "out/manifest.jsonl");
  ASSERT_EQ(entries.size(), 1U);
  const ManifestEntry& entry = entries[0];
  EXPECT_EQ(entry.seed, 10U);
  EXPECT_EQ(entry.class_name, "ASD");
  EXPECT_EQ(entry.guidance_scale, 2.0);
  ASSERT_TRUE(entry.video_guidance.has_value());
  EXPECT_EQ(entry.video_guidance->scale, 1.25);  // video_share of what w has above 1
  EXPECT_EQ(entry.video_guidance->rescale, 0.5);
  EXPECT_EQ(entry.video_guidance->interval_start, 0.1);
  EXPECT_EQ(entry.video_guidance->interval_end, 0.9);
  EXPECT_EQ(entry.sampler, "blocks");
  EXPECT_EQ(entry.solver, "dpmsolver++");
  EXPECT_EQ(entry.steps, 2);
  EXPECT_EQ(entry.blocks, 2);
  EXPECT_EQ(entry.frames, 10);
  EXPECT_EQ(entry.redraws, 0);
  EXPECT_TRUE(entry.filtered);
  ASSERT_TRUE(entry.privacy_score.has_value());
  EXPECT_LE(*entry.privacy_score, 1.0 + 1e-6);
  EXPECT_EQ(entry.privacy_tau, 2.0);
  const auto model = models::ModelDirectory::open(shared_toy_model());
  for (const char* component : {"vae", "lidm", "lvdm", "reid"}) {
    EXPECT_EQ(entry.weight_hashes.at(component), model.component_hash(component));
  }
}

TEST(Sample, VideoCarriesSeedClassScaleAndModel) {
  const TemporaryFolder folder;
  const SampleSummary summary = run_sampling(toy_options(folder / "out"));
  const auto tags = io::read_video_metadata(summary.videos[0]);
  const config::Json comment = config::Json::parse(tags.at("comment"));
  EXPECT_EQ(comment["seed"], 10);
  EXPECT_EQ(comment["class"], "ASD");
  EXPECT_EQ(comment["guidance_scale"], 1.0);
  EXPECT_EQ(comment["video_guidance"],
            read_manifest(folder / "out/manifest.jsonl")[0].to_json()["video_guidance"]);
  EXPECT_EQ(comment["model_hash"].get<std::string>().size(), 64U);
}

TEST(Sample, EveryBlockStartsWithTheFramesTheLastOneEndedWith) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.blocks = 3;
  options.trace = (folder / "trace.safetensors").string();
  run_sampling(options);
  const io::TensorMap trace = io::load_safetensors(options.trace);
  ASSERT_EQ(trace.size(), 3U);
  const at::Tensor first = trace.at("ASD_000010/block_0000");
  const at::Tensor second = trace.at("ASD_000010/block_0001");
  const at::Tensor third = trace.at("ASD_000010/block_0002");
  EXPECT_TRUE(at::equal(second.slice(0, 0, 2), first.slice(0, 4)));
  EXPECT_TRUE(at::equal(third.slice(0, 0, 2), second.slice(0, 4)));
}

// The share of the guidance is of what exceeds the conditional prediction; there is none below.
TEST(Sample, WithoutGuidanceTheShareOfTheVideoChangesNothing) {
  const TemporaryFolder folder;
  const auto traced = [&](double scale, double share) {
    const std::string name = std::to_string(scale) + "_" + std::to_string(share);
    SampleOptions options = toy_options(folder / name);
    options.trace = (folder / (name + ".safetensors")).string();
    options.guidance.scale = scale;
    options.video_guidance_share = share;
    run_sampling(options);
    return io::load_safetensors(options.trace).begin()->second;
  };
  EXPECT_TRUE(at::equal(traced(0.0, 0.25), traced(0.0, 1.0)));
  EXPECT_FALSE(at::equal(traced(3.0, 0.25), traced(3.0, 1.0)));
}

TEST(Sample, SeedGivesTheSameVideoAtAnyCount) {
  const TemporaryFolder folder;
  SampleOptions many = toy_options(folder / "many");
  many.classes = {"Non-ASD", "ASD"};
  many.count = 2;
  many.trace = (folder / "many.safetensors").string();
  EXPECT_EQ(run_sampling(many).videos.size(), 4U);

  SampleOptions one = toy_options(folder / "one");
  one.seed = 13;
  one.trace = (folder / "one.safetensors").string();
  run_sampling(one);
  const io::TensorMap all = io::load_safetensors(many.trace);
  for (const auto& [name, block] : io::load_safetensors(one.trace)) {
    EXPECT_TRUE(at::equal(block, all.at(name))) << name;
  }
  EXPECT_EQ(io::read_video(folder / "many/Videos/ASD_000013.mp4").pixels,
            io::read_video(folder / "one/Videos/ASD_000013.mp4").pixels);
}

TEST(Sample, ResumesFromTheManifest) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.count = 3;
  run_sampling(options);
  const fs::path manifest = folder / "out/manifest.jsonl";
  const std::string whole = read_file(manifest);
  const auto pixels = io::read_video(folder / "out/Videos/ASD_000012.mp4").pixels;
  // Killed while the last line was being written, with the last video's file not there yet.
  write_file(manifest, whole.substr(0, whole.size() - 20));
  fs::remove(folder / "out/Videos/ASD_000012.mp4");
  write_file(folder / "out/Videos/.ASD_000012.tmp-1-0.mp4", "half");
  write_file(folder / "out/.index.tmp-1-1.html", "half");

  options.resume = true;
  const SampleSummary summary = run_sampling(options);
  EXPECT_EQ(summary.skipped, 2);
  EXPECT_EQ(summary.made, 1);
  EXPECT_EQ(read_file(manifest), whole);
  EXPECT_EQ(io::read_video(folder / "out/Videos/ASD_000012.mp4").pixels, pixels);
  EXPECT_EQ(files_in(folder / "out/Videos"), 3U);
  EXPECT_FALSE(fs::exists(folder / "out/.index.tmp-1-1.html"));
}

TEST(Sample, ResumeMakesMoreVideosButNotOtherOnes) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  run_sampling(options);
  EXPECT_NE(message_of(options).find("--resume"), std::string::npos);
  options.resume = true;
  options.count = 2;
  EXPECT_EQ(run_sampling(options).made, 1);
  options.guidance.scale = 3.0;
  EXPECT_THROW(run_sampling(options), UsageError);
  EXPECT_NE(message_of(options).find("guidance_scale"), std::string::npos);
  EXPECT_EQ(read_manifest(folder / "out/manifest.jsonl").size(), 2U);
}

TEST(Sample, UnknownClassListsTheKnownOnes) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.classes = {"ASDD"};
  EXPECT_THROW(run_sampling(options), UsageError);
  EXPECT_NE(message_of(options).find("known classes: ASD, Non-ASD"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(Sample, RefusesValuesOutOfRange) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::function<void(SampleOptions&)>& change) {
    SampleOptions options = toy_options(folder / "out");
    change(options);
    EXPECT_THROW(run_sampling(options), UsageError);
  };
  refused([](auto& o) { o.guidance.scale = -1; });
  refused([](auto& o) { o.blocks = 0; });
  refused([](auto& o) { o.count = 0; });
  refused([](auto& o) { o.anchor = "firm"; });
  refused([](auto& o) { o.sampler = "woven"; });
  refused([](auto& o) { o.also = {"webm"}; });
  refused([](auto& o) { o.batch = 0; });
  refused([](auto& o) { o.seam_fade = -1; });
  refused([](auto& o) {
    o.batch = 2;
    o.compatibility.context_mixup_0_27 = true;
  });
  refused([](auto& o) {
    o.guidance.interval_start = 0.8;
    o.guidance.interval_end = 0.2;
  });
}

// More steps than the model's schedule has: no half-made directory that the next run would refuse.
TEST(Sample, WritesNothingWhereTheSolverIsRefused) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.solver.num_inference_steps = 5000;
  EXPECT_THROW(run_sampling(options), Error);
  EXPECT_FALSE(fs::exists(folder / "out"));
  options = toy_options(folder / "out");
  options.solver.name = "ddpm";
  options.solver.variance_type = "learned_range";
  EXPECT_THROW(run_sampling(options), ConfigError);
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(Sample, RefusedHeartsStopTheRunUnlessAllowed) {
  const TemporaryFolder folder;
  testing::ToyModelOptions strict;
  strict.tau = -2.0;
  testing::write_toy_model(folder / "model", strict);
  SampleOptions options = toy_options(folder / "out");
  options.model = (folder / "model").string();
  options.max_redraws = 2;
  EXPECT_THROW(run_sampling(options), DataError);
  options.resume = true;
  const std::string message = message_of(options);
  EXPECT_NE(message.find("raise --max-redraws"), std::string::npos) << message;
  EXPECT_NE(message.find("go on with --resume"), std::string::npos) << message;
  EXPECT_EQ(files_in(folder / "out/Videos"), 0U);

  options.allow_unfiltered = true;
  const SampleSummary summary = run_sampling(options);
  EXPECT_EQ(summary.unfiltered, 1);
  EXPECT_EQ(summary.redraws, 3);
  EXPECT_FALSE(read_manifest(folder / "out/manifest.jsonl")[0].filtered);
}

TEST(Sample, MissingPartsAreNamed) {
  const TemporaryFolder folder;
  testing::ToyModelOptions parts;
  parts.with_lvdm = false;
  parts.with_reid = false;
  testing::write_toy_model(folder / "model", parts);
  SampleOptions options = toy_options(folder / "out");
  options.model = (folder / "model").string();
  EXPECT_THROW(run_sampling(options), DataError);
  EXPECT_NE(message_of(options).find("lvdm"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(Sample, WithoutAReIdModelNeedsLeave) {
  const TemporaryFolder folder;
  testing::ToyModelOptions parts;
  parts.with_reid = false;
  testing::write_toy_model(folder / "model", parts);
  SampleOptions options = toy_options(folder / "out");
  options.model = (folder / "model").string();
  EXPECT_NE(message_of(options).find("--allow-unfiltered"), std::string::npos);
  options.allow_unfiltered = true;
  EXPECT_EQ(run_sampling(options).unfiltered, 1);
}

TEST(Sample, LosslessCodecWritesAviAndAPreviewForBrowsers) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.codec = "ffv1";
  options.blocks = 1;
  const SampleSummary summary = run_sampling(options);
  EXPECT_EQ(summary.videos[0].extension(), ".avi");
  EXPECT_EQ(io::read_video(summary.videos[0]).count, 6);
  EXPECT_EQ(io::read_video(folder / "out/Previews/ASD_000010.mp4").count, 6);
  EXPECT_NE(read_file(summary.index).find("Previews/ASD_000010.mp4"), std::string::npos);
}

TEST(Sample, UnknownCodecFallsBackToOneThatWorks) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.codec = "vp9";
  options.blocks = 1;
  EXPECT_EQ(run_sampling(options).videos[0].extension(), ".mp4");
  const config::Json config = config::read_json((folder / "out/config.json").string());
  EXPECT_EQ(config["options"]["codec"], "h264");
}

// The directory of several processes: what the others have made is in parts of the manifest.
TEST(SampleParts, AreTakenInWhenTheRunIsResumed) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.count = 3;
  run_sampling(options);
  const fs::path manifest = folder / "out/manifest.jsonl";
  const std::string whole = read_file(manifest);
  const std::size_t first = whole.find('\n') + 1, second = whole.find('\n', first) + 1;
  write_file(manifest, whole.substr(0, first));
  // Killed while rank 1 was writing its second line.
  write_file(folder / "out/manifest.part-0001.jsonl",
             whole.substr(first, second - first) + whole.substr(second, 30));
  options.resume = true;
  const SampleSummary summary = run_sampling(options);
  EXPECT_EQ(summary.skipped, 2);
  EXPECT_EQ(summary.made, 1);
  EXPECT_EQ(read_file(manifest), whole);
  EXPECT_FALSE(fs::exists(folder / "out/manifest.part-0001.jsonl"));
}

TEST(SampleParts, OneProgramAtATimeSamplesIntoADirectory) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  run_sampling(options);
  options.resume = true;
  options.count = 2;
  {
    const FolderLock other(folder / "out", "sampling");
    EXPECT_NE(message_of(options).find("another program is sampling in"), std::string::npos);
  }
  EXPECT_EQ(run_sampling(options).made, 1);
}

TEST(SampleInterruption, LeavesNothingHalfWrittenAndResumes) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  const auto interrupted = [&] {
    install_interrupt_handlers();
    std::raise(SIGTERM);
    try {
      run_sampling(options);
    } catch (const Interrupted& error) {
      std::_Exit(static_cast<int>(error.exit_code()));
    }
    std::_Exit(0);
  };
  EXPECT_EXIT(interrupted(), ::testing::ExitedWithCode(130), "");
  EXPECT_EQ(files_in(folder / "out/Videos"), 0U);
  options.resume = true;
  EXPECT_EQ(run_sampling(options).made, 1);
}

}  // namespace
}  // namespace echopath::generation
