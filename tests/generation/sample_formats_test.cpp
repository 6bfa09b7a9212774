// What a run may write and how: formats, batches, solvers.
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>

#include "echopath/data/dataset.hpp"
#include "echopath/data/latent_dataset.hpp"
#include "echopath/diffusion/solver.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/io/dicom.hpp"
#include "echopath/io/video.hpp"
#include "sample_support.hpp"

namespace echopath::generation {
namespace {

using testing::files_in;
using testing::message_of;
using testing::TemporaryFolder;
using testing::toy_options;

TEST(SampleFormats, LieBesideTheVideoWithItsMetadata) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.codec = "ffv1";
  options.also = {"gif", "png", "latents", "dicom"};
  options.trace = (folder / "trace.safetensors").string();
  const SampleSummary summary = run_sampling(options);
  const fs::path out = folder / "out";
  const io::Frames video = io::read_video(summary.videos[0]);
  ASSERT_EQ(video.count, 10);
  EXPECT_EQ(io::read_video(out / "GIF/ASD_000010.gif").pixels, video.pixels);
  const io::DicomCine dicom = io::read_dicom_cine(out / "DICOM/ASD_000010.dcm");
  EXPECT_EQ(dicom.frames.pixels, video.pixels);
  EXPECT_DOUBLE_EQ(dicom.frames.fps, 32.0);
  EXPECT_EQ(files_in(out / "PNG/ASD_000010"), 11U);  // and metadata.json
  const cv::Mat png = cv::imread((out / "PNG/ASD_000010/00009.png").string(), cv::IMREAD_GRAYSCALE);
  EXPECT_TRUE(std::equal(png.begin<std::uint8_t>(), png.end<std::uint8_t>(), video.frame(9)));

  const data::LatentDataset latents = data::LatentDataset::open(out);
  const at::Tensor mean = latents.load(latents.studies().at(0)).mean;
  const io::TensorMap trace = io::load_safetensors(options.trace);
  const at::Tensor blocks =
      at::cat({trace.at("ASD_000010/block_0000"), trace.at("ASD_000010/block_0001").slice(0, 2)});
  EXPECT_TRUE(at::allclose(mean * latents.scaling_factor(), blocks, 1e-6, 1e-6));
  EXPECT_EQ(latents.encoder_hash(), models::ModelDirectory::open(options.model).encoder_hash());

  const config::Json comment =
      config::Json::parse(io::read_video_metadata(summary.videos[0]).at("comment"));
  EXPECT_EQ(config::Json::parse(io::read_video_metadata(out / "GIF/ASD_000010.gif").at("comment")),
            comment);
  const config::Json described = config::read_json((out / "PNG/ASD_000010/metadata.json").string());
  EXPECT_EQ(described["seed"], comment["seed"]);
  EXPECT_EQ(described["model_hash"], comment["model_hash"]);
  EXPECT_NE(read_file(out / "DICOM/ASD_000010.dcm").find(comment.dump()), std::string::npos);
  io::Metadata latent_metadata =
      data::latent_metadata(latents.scaling_factor(), latents.encoder_hash());
  latent_metadata["comment"] = comment.dump();
  EXPECT_EQ(io::SafetensorsFile(out / "Latents/ASD_000010.safetensors").metadata(),
            latent_metadata);
}

TEST(SampleFormats, NamedTwiceAreWrittenOnce) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.also = {"png", "gif", "png"};
  EXPECT_EQ(run_sampling(options).made, 1);
  const ManifestEntry entry = read_manifest(folder / "out/manifest.jsonl").at(0);
  EXPECT_EQ(entry.also, (std::vector<std::string>{"PNG/ASD_000010", "GIF/ASD_000010.gif"}));
}

/// The toy model's one video of ASD and seed 10, as DICOM.
fs::path dicom_of(const SampleOptions& options) {
  run_sampling(options);
  return fs::path(options.out) / "DICOM/ASD_000010.dcm";
}

SampleOptions dicom_options(const fs::path& out) {
  SampleOptions options = toy_options(out);
  options.blocks = 1;
  options.also = {"dicom"};
  return options;
}

// To the byte, its identifiers included: what lies beside it, which other videos are made, and what
// would have become of refused hearts change no pixel.
TEST(SampleIdentifiers, AreThoseOfTheSameVideoOfAnotherRun) {
  const TemporaryFolder folder;
  const fs::path alone = dicom_of(dicom_options(folder / "alone"));
  SampleOptions other = dicom_options(folder / "other");
  other.codec = "ffv1";
  other.also = {"png", "dicom"};
  other.classes = {"Non-ASD", "ASD"};
  other.seed = 9;
  other.allow_unfiltered = true;
  other.max_redraws = 7;
  EXPECT_TRUE(read_file(alone) == read_file(dicom_of(other)));
}

TEST(SampleIdentifiers, AreOthersOfOtherPixels) {
  const TemporaryFolder folder;
  const auto uid_of = [](const SampleOptions& options) {
    return io::read_dicom_cine(dicom_of(options)).sop_instance_uid;
  };
  const std::string uid = uid_of(dicom_options(folder / "first"));
  SampleOptions stronger = dicom_options(folder / "stronger");
  stronger.guidance.scale = 2.0;
  EXPECT_NE(uid_of(stronger), uid);
  SampleOptions published = dicom_options(folder / "published");
  published.sampler = "stitched";
  published.compatibility.stitch_labels = "published";
  SampleOptions neighbours = published;
  neighbours.out = (folder / "neighbours").string();
  neighbours.classes = {"ASD", "Non-ASD"};
  EXPECT_NE(uid_of(neighbours), uid_of(published)) << "windows have labels of other videos";
}

// Where all are refused, the number of hearts decides which is the best.
TEST(SampleIdentifiers, OfRefusedHeartsDependOnTheirNumber) {
  const TemporaryFolder folder;
  testing::ToyModelOptions strict;
  strict.tau = -2.0;
  testing::write_toy_model(folder / "model", strict);
  const auto uid_of = [&](std::int64_t max_redraws, const std::string& out) {
    SampleOptions options = dicom_options(folder / out);
    options.model = (folder / "model").string();
    options.allow_unfiltered = true;
    options.max_redraws = max_redraws;
    return io::read_dicom_cine(dicom_of(options)).sop_instance_uid;
  };
  const std::string uid = uid_of(0, "one");
  EXPECT_NE(uid_of(3, "four"), uid);
  EXPECT_EQ(uid_of(0, "again"), uid);
}

TEST(SampleFormats, AVideoThatLacksOneIsMadeAgain) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.also = {"png", "dicom"};
  run_sampling(options);
  const std::string bytes = read_file(folder / "out/DICOM/ASD_000010.dcm");
  fs::remove(folder / "out/DICOM/ASD_000010.dcm");
  fs::create_directories(folder / "out/PNG/.ASD_000010.tmp-1-0");
  options.resume = true;
  EXPECT_EQ(run_sampling(options).made, 1);
  EXPECT_EQ(read_file(folder / "out/DICOM/ASD_000010.dcm"), bytes);
  EXPECT_EQ(files_in(folder / "out/PNG"), 1U);
}

TEST(SampleBatch, AgreesWithSingleVideosAndMayChangeOnResume) {
  const TemporaryFolder folder;
  SampleOptions single = toy_options(folder / "single");
  single.classes = {"ASD", "Non-ASD"};
  single.count = 2;
  single.trace = (folder / "single.safetensors").string();
  run_sampling(single);
  SampleOptions batched = single;
  batched.out = (folder / "batched").string();
  batched.trace = (folder / "batched.safetensors").string();
  batched.batch = 3;  // and one that is left over
  run_sampling(batched);
  const io::TensorMap one = io::load_safetensors(single.trace);
  for (const auto& [name, block] : io::load_safetensors(batched.trace)) {
    EXPECT_LT((block - one.at(name)).abs().max().item<double>(), 1e-3) << name;
  }
  batched.deterministic = true;
  batched.out = (folder / "deterministic").string();
  run_sampling(batched);
  for (const auto& [name, block] : io::load_safetensors(batched.trace)) {
    EXPECT_TRUE(at::equal(block, one.at(name))) << name;
  }
  single.trace.clear();
  single.count = 3;
  single.batch = 2;
  single.resume = true;
  EXPECT_EQ(run_sampling(single).made, 2);
}

TEST(SampleBatch, OfStitchedVideosIsOne) {
  const TemporaryFolder folder;
  SampleOptions options = toy_options(folder / "out");
  options.sampler = "stitched";
  options.count = 2;
  options.batch = 2;
  EXPECT_EQ(run_sampling(options).made, 2);
  EXPECT_EQ(config::read_json((folder / "out/config.json").string())["options"]["batch"], 1);
}

/// One block with guidance, rescaled, over a part of the noise levels, in few steps and in many.
void expect_walks(const TemporaryFolder& folder, const fs::path& model, const std::string& solver) {
  for (const std::int64_t steps : {4, 50}) {
    const std::string name = solver + std::to_string(steps);
    SampleOptions options = toy_options(folder / name);
    options.model = model.string();
    options.solver.name = solver;
    options.solver.num_inference_steps = steps;
    options.blocks = 1;
    options.guidance.scale = 2.0;
    options.guidance.rescale = 0.5;
    options.guidance.interval_start = 0.1;
    options.guidance.interval_end = 0.9;
    options.video_guidance_share = 1.0;
    EXPECT_EQ(run_sampling(options).made, 1) << name;  // latents that are not finite are an error
    const ManifestEntry entry = read_manifest(folder / (name + "/manifest.jsonl")).at(0);
    EXPECT_EQ(entry.solver, solver);
    EXPECT_EQ(entry.steps, steps);
  }
}

TEST(SampleSolvers, EachOneWalksInFewStepsAndInMany) {
  const TemporaryFolder folder;
  for (const std::string& solver : diffusion::solver_names()) {
    if (solver == "flow_euler") continue;  // needs a model that was trained for it
    expect_walks(folder, testing::shared_toy_model(), solver);
  }
}

TEST(SampleSolvers, ThoseOfFlowWalkOnAModelOfFlow) {
  const TemporaryFolder folder;
  testing::write_toy_model(folder / "model");
  diffusion::NoiseScheduleOptions schedule;
  schedule.prediction_type = "flow_prediction";
  models::save_schedule(folder / "model", schedule);
  for (const char* solver : {"flow_euler", "dpmsolver++", "sde-dpmsolver++", "unipc"}) {
    expect_walks(folder, folder / "model", solver);
  }
}

TEST(SampleOptions, PresetBalancedIsWhatTheDefaultsAre) {
  SampleOptions defaults;
  SampleOptions preset;
  const config::VisitFunction visit = config::visit_of(preset);
  const std::string path = std::string(ECHOPATH_SOURCE_DIR) + "/configs/balanced/sample.json";
  config::apply(config::read_json(path), visit, path);
  EXPECT_EQ(config::dump(visit), config::dump(config::visit_of(defaults)));
}

}  // namespace
}  // namespace echopath::generation
