// What the reports make of a small phantom dataset and of networks with random weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/random.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/evaluation/agreement_report.hpp"
#include "echopath/evaluation/anatomy.hpp"
#include "echopath/evaluation/anatomy_report.hpp"
#include "echopath/evaluation/motion_report.hpp"
#include "echopath/evaluation/nearest_report.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/io/safetensors.hpp"
#include "echopath/io/video.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/phantom/studies.hpp"
#include "generation/toy_model.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::int64_t kFrames = 48;

/// Eight phantoms with label maps, two of each class, and a model directory with a segmentation
/// network and a classifier that know nothing.
class Reports : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new generation::testing::TemporaryFolder();
    phantom::WriteOptions options;
    options.out = *folder_ / "data";
    options.patients = 8;
    options.frames = kFrames;
    options.masks = true;
    options.show_progress = false;
    options.fractions = {0, 0, 100};
    phantom::write_studies(options);
    torch::manual_seed(1);
    models::ClassifierConfig segmentation;
    segmentation.task = "segmentation";
    segmentation.architecture = "unet";
    segmentation.classes = {"background", "LV", "RV", "LA", "RA", "myocardium"};
    segmentation.unet = {1, {4, 4}, 1, 2, 0.0};
    segmentation.clip.frames = 1;
    segmentation.clip.mean = {0.2};
    segmentation.clip.deviation = {0.2};
    save("segmentation", segmentation);
    models::ClassifierConfig asd;
    asd.architecture = "resnet50";
    asd.classes = {"Non-ASD", "ASD"};
    asd.image = {1, 4, {1, 1, 1, 1}, "basic"};
    asd.clip = segmentation.clip;
    asd.clip.frames = 2;
    asd.clip.fps = 6;
    save("classifier_asd", asd);
  }
  static void TearDownTestSuite() { delete folder_; }

  static void save(const std::string& name, models::ClassifierConfig config) {
    const models::Classifier network(config);
    models::save_component(*folder_ / "model",
                           {name, "Classifier", config::dump(config::visit_of(config))}, *network);
  }
  static std::string data() { return *folder_ / "data"; }
  static std::string model() { return *folder_ / "model"; }

  static generation::testing::TemporaryFolder* folder_;
};

generation::testing::TemporaryFolder* Reports::folder_ = nullptr;

double class_mean(const FigureComparison& figure, const std::string& name, bool real) {
  for (const ClassRow& row : figure.rows) {
    if (row.class_name == name) return (real ? row.real : row.synthetic).estimate;
  }
  return NAN;
}

TEST_F(Reports, AnatomyIsValidatedOnExactLabelMaps) {
  AnatomyOptions options;
  options.real = data();
  options.model = model();
  options.every = 2;
  options.device = "cpu";
  const AnatomyReport report = report_anatomy(options);
  ASSERT_TRUE(report.validation);
  EXPECT_EQ(report.validation->videos, 8);
  // "real" of the validation is what the label maps give by themselves.
  double sum = 0.0;
  for (const char* name : {"ASD_0001", "ASD_0002"}) {
    const io::Frames all =
        io::read_video(fs::path(data()) / "Masks" / (std::string(name) + ".avi"));
    std::vector<std::int64_t> places;
    for (std::int64_t t = 0; t < kFrames; t += 2) places.push_back(t);
    sum += measure_anatomy(select(all, places)).septal_gap;
  }
  const FigureComparison& gap = report.validation->figures.front();
  EXPECT_EQ(gap.name, "septal_gap");
  EXPECT_DOUBLE_EQ(class_mean(gap, "ASD", true), 0.5 * sum);
  EXPECT_GT(class_mean(gap, "ASD", true), 5.0);
  EXPECT_EQ(class_mean(gap, "PAH", true), 0.0);
  for (const double dice : report.validation->dice) EXPECT_LT(dice, 0.5) << "a random network";
  EXPECT_EQ(report.to_json()["validation"]["videos"], 8);
  EXPECT_EQ(report.to_json()["figures"].size(), anatomy_figures().size());
}

TEST_F(Reports, AnatomyNeedsASegmentationNetworkThatKnowsTheChambers) {
  AnatomyOptions options;
  options.real = data();
  options.model = model();
  options.device = "cpu";
  options.component = "classifier_asd";
  EXPECT_THAT([&] { report_anatomy(options); },
              ThrowsMessage<DataError>(HasSubstr("task segmentation")));
  options.component = "chambers";
  EXPECT_THROW(report_anatomy(options), DataError);
  models::ClassifierConfig other;
  other.task = "segmentation";
  other.architecture = "unet";
  other.classes = {"background", "LV"};
  other.unet = {1, {4, 4}, 1, 2, 0.0};
  other.clip.mean = {0.2};
  other.clip.deviation = {0.2};
  save("lv_alone", other);
  options.component = "lv_alone";
  EXPECT_THAT([&] { report_anatomy(options); }, ThrowsMessage<DataError>(HasSubstr("lacks RV")));
}

TEST_F(Reports, AgreementCountsWhatIsCalledWhat) {
  AgreementOptions options;
  options.real = data();
  options.synthetic = data();
  options.model = model();
  options.device = "cpu";
  const AgreementReport report = report_agreement(options);
  ASSERT_EQ(report.classifiers.size(), 1U) << "the segmentation network is no judge";
  const ClassifierAgreement& judge = report.classifiers[0];
  EXPECT_EQ(judge.name, "classifier_asd");
  EXPECT_EQ(judge.real.videos, 4) << "of ASD and Non-ASD";
  ASSERT_EQ(judge.real.rows.size(), 4U);
  double right = 0.0;
  for (const CalledRow& row : judge.real.rows) {
    EXPECT_EQ(row.videos, 2);
    EXPECT_EQ(row.called[0] + row.called[1], 2);
    if (row.class_name == "Non-ASD") right += static_cast<double>(row.called[0]);
    if (row.class_name == "ASD") right += static_cast<double>(row.called[1]);
  }
  EXPECT_DOUBLE_EQ(judge.real.agreement.estimate, right / 4.0);
  EXPECT_DOUBLE_EQ(judge.synthetic.agreement.estimate, judge.real.agreement.estimate);
  options.classifiers = {"segmentation"};
  EXPECT_THROW(report_agreement(options), DataError);
}

/// A sample directory of copies of the real videos: blocks of 16 that repeat 4.
void write_samples(const fs::path& directory, const std::string& data, std::int64_t fade = 0) {
  const data::Dataset dataset = data::Dataset::open(data);
  std::string manifest;
  for (const data::Study& study : dataset.studies()) {
    generation::ManifestEntry entry;
    entry.file = "Videos/" + study.file_name;
    entry.class_name = study.class_name;
    entry.block_length = 16;
    entry.context_frames = 4;
    entry.seam_fade = fade;
    entry.blocks = 3;
    manifest += entry.to_json().dump() + "\n";
  }
  fs::create_directories(directory);
  fs::copy(fs::path(data) / "Videos", directory / "Videos");
  fs::copy(fs::path(data) / "FileList.csv", directory / "FileList.csv");
  write_file(directory / "manifest.jsonl", manifest);
}

TEST_F(Reports, MotionTakesBlocksFromTheManifestAndRatesFromTheSimulator) {
  write_samples(*folder_ / "samples", data());
  MotionOptions options;
  options.real = data();
  options.synthetic = *folder_ / "samples";
  const MotionReport report = report_motion(options);
  EXPECT_EQ(report.range_source, "phantom.csv");
  EXPECT_GE(report.lowest_rate, 50.0);
  EXPECT_LE(report.highest_rate, 110.0);
  // 48 frames are new frames 0–15, 16–27, 28–39, and 8 that are no block.
  EXPECT_EQ(report.synthetic_seams.seams, 8 * 2);
  EXPECT_EQ(report.real_seams.seams, 8 * 2) << "cut like the samples";
  EXPECT_DOUBLE_EQ(report.real_seams.change_ratio.estimate,
                   report.synthetic_seams.change_ratio.estimate);
  EXPECT_DOUBLE_EQ(report.synthetic_seams.largest_step.estimate,
                   report.synthetic_seams.change_ratio.estimate)
      << "a seam without a fade is one step";
  EXPECT_GT(report.known_rates, 0);
  EXPECT_LT(report.rate_error, 0.05);
  EXPECT_EQ(report.figures.front().name, "clear_beat");
  EXPECT_FALSE(report.trace);

  options.trace = *folder_ / "trace.safetensors";
  const at::Tensor block = at::arange(16, at::kFloat).view({16, 1, 1, 1}).expand({16, 2, 2, 2});
  io::save_safetensors(options.trace, {{"a/block_0000", block},
                                       {"a/block_0001", block + 14.0},
                                       {"b/block_0000", block},
                                       {"b/block_0001", block + 14.0}});
  const MotionReport traced = report_motion(options);
  ASSERT_TRUE(traced.trace);
  EXPECT_EQ(traced.trace->videos, 2);
  EXPECT_EQ(traced.trace->seams, 2);
  EXPECT_EQ(traced.trace->context_frames, 4);
  EXPECT_DOUBLE_EQ(traced.trace->first_frame, 2.0);  // 14 beside 12
  EXPECT_DOUBLE_EQ(traced.trace->step, 1.0);
  EXPECT_DOUBLE_EQ(traced.trace->ratio.estimate, 2.0);
  EXPECT_EQ(traced.trace->seam_fade, 0);

  write_samples(*folder_ / "faded", data(), 2);
  options.synthetic = *folder_ / "faded";
  const MotionReport faded = report_motion(options);
  EXPECT_EQ(faded.trace->seam_fade, 2);
  EXPECT_NE(faded.synthetic_seams.change_ratio.estimate,
            report.synthetic_seams.change_ratio.estimate);
  EXPECT_GT(faded.synthetic_seams.largest_step.estimate,
            faded.synthetic_seams.change_ratio.estimate)
      << "the largest of three steps against their mean";
  EXPECT_DOUBLE_EQ(faded.real_seams.change_ratio.estimate,
                   faded.synthetic_seams.change_ratio.estimate);

  io::save_safetensors(options.trace, {{"video", block}});
  EXPECT_THAT([&] { report_motion(options); },
              ThrowsMessage<DataError>(HasSubstr("holds no blocks")));
  options.synthetic.clear();
  EXPECT_THROW(report_motion(options), UsageError);
}

TEST(Nearest, DistancesAreRootMeanSquareDifferences) {
  const at::Tensor rows = at::tensor({0., 0., 0., 0., 4., 4., 4., 4.}).view({2, 4});
  const at::Tensor queries = at::tensor({1., 1., 1., 1., 4., 4., 4., 0.}).view({2, 4});
  const std::vector<double> distances = nearest_distances(queries, rows);
  ASSERT_EQ(distances.size(), 2U);
  EXPECT_NEAR(distances[0], 1.0, 1e-6);
  EXPECT_NEAR(distances[1], 2.0, 1e-6);
}

TEST(Nearest, CopiesOfTrainingFramesAreNearerThanHeldOutOnes) {
  const generation::testing::TemporaryFolder folder;
  const auto write = [&](const std::string& name, const std::string& split, std::uint64_t seed,
                         double noise) {
    std::vector<data::Study> studies;
    for (std::uint64_t i = 0; i < 4; ++i) {
      const std::uint64_t key = noise > 0.0 ? 1 : seed;  // copies are of the first set
      at::Tensor grey = normal_tensor({4, 28, 28}, {key, Stream::kDataset, std::uint32_t(i), 0});
      grey = grey * 40.0 + 128.0 +
             noise * normal_tensor({4, 28, 28}, {seed, Stream::kDataset, std::uint32_t(i), 1});
      const at::Tensor bytes = grey.clamp(0, 255).to(at::kByte).contiguous();
      io::Frames frames{4, 28, 28, 1, 32.0, {}};
      const auto* pixels = bytes.const_data_ptr<std::uint8_t>();
      frames.pixels.assign(pixels, pixels + bytes.numel());
      data::Study study;
      study.file_name = "v" + std::to_string(i) + ".avi";
      study.class_name = "ASD";
      study.patient_id = name + std::to_string(i);
      study.split = split;
      study.fps = 32.0;
      study.number_of_frames = 4;
      study.frame_height = study.frame_width = 28;
      io::write_video(folder / name / "Videos" / study.file_name, frames);
      studies.push_back(study);
    }
    data::write_file_list(folder / name / "FileList.csv", studies);
  };
  write("train", "TRAIN", 1, 0.0);
  write("held", "TEST", 2, 0.0);
  write("copies", "TRAIN", 3, 4.0);
  NearestOptions options;
  options.training = folder / "train";
  options.real = folder / "held";
  options.synthetic = folder / "copies";
  options.model = generation::testing::shared_toy_model();
  options.every = 1;
  options.device = "cpu";
  const NearestReport report = report_nearest(options);
  EXPECT_EQ(report.training_frames, 16);
  EXPECT_EQ(report.held_out_frames, 16);
  EXPECT_EQ(report.heart_videos, 4);
  EXPECT_LT(report.ratio.estimate, 0.5);
  EXPECT_EQ(report.copies, 1.0);
  options.synthetic = folder / "held";
  const NearestReport fair = report_nearest(options);
  EXPECT_NEAR(fair.ratio.estimate, 1.0, 0.1);
  options.training.clear();
  EXPECT_THROW(report_nearest(options), DataError) << "no TRAIN split";
}

}  // namespace
}  // namespace echopath::evaluation
