// The whole comparison: videos, features, cache, metrics, warnings.
#include "echopath/evaluation/distribution.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <opencv2/imgcodecs.hpp>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/evaluation/distribution_metrics.hpp"
#include "echopath/evaluation/extract.hpp"
#include "echopath/io/safetensors.hpp"
#include "evaluation/made_comparison.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class DistributionTest : public ::testing::Test {
 protected:
  DistributionTest() {
    testing::write_classifiers(folder_ / "model");
    testing::write_noise(folder_ / "real", {.seed = 1});
    testing::write_noise(folder_ / "made", {.seed = 2, .contrast = 60.0});
    options_.real = folder_ / "real";
    options_.synthetic = folder_ / "made";
    options_.model = folder_ / "model";
    options_.cache = folder_ / "cache";
    options_.frames = 8;
    options_.intervals.folds = 4;
  }

  DistributionReport measure(const std::vector<std::string>& metrics) {
    options_.metrics = metrics;
    return measure_distribution(options_).value();
  }

  TemporaryDirectory folder_;
  DistributionOptions options_;
};

using DistributionMeasured = DistributionTest;

TEST_F(DistributionMeasured, HasEveryMetricWithCountsOfBothSidesByDetectorAndClass) {
  const DistributionReport report =
      measure({"fid", "kid", "prdc", "is", "fvd", "kvd", "clip-prdc"});
  ASSERT_EQ(report.detectors.size(), 2U);
  const DetectorResults& frames = report.detectors[0];
  EXPECT_EQ(frames.detector.name, "in-domain classifier_asd+classifier_pah, frames");
  ASSERT_EQ(frames.rows.size(), 3 * 7U);  // all, and two classes
  EXPECT_EQ(frames.rows[0].metric.metric, "FID");
  EXPECT_EQ(frames.rows[0].real->items, 120);
  EXPECT_EQ(frames.rows[0].synthetic.videos, 12);
  EXPECT_EQ(frames.rows[7].class_name, "ASD");
  EXPECT_EQ(frames.rows[7].real->items, 60);
  EXPECT_FALSE(frames.rows[6].real.has_value());
  for (const DistributionRow& row : frames.rows) {
    EXPECT_TRUE(std::isfinite(row.metric.estimate.value)) << row.metric.metric;
    const bool told_why =
        ::testing::Value(row.metric.warnings, Contains(::testing::StartsWith("no interval: ")));
    EXPECT_NE(row.metric.estimate.has_interval, told_why) << row.metric.metric;
  }
  EXPECT_TRUE(frames.rows[0].metric.estimate.has_interval);
  EXPECT_EQ(report.detectors[1].rows[0].metric.metric, "FVD");
  EXPECT_EQ(report.detectors[1].rows[0].real->items, 12);
  EXPECT_THAT(report.to_text(options_), HasSubstr("KVD"));
  const config::Json json = report.to_json(options_);
  EXPECT_EQ(json["detectors"][0]["metrics"][0]["synthetic"]["patients"], 12);
  EXPECT_EQ(json["detectors"][0]["detector"]["hash"], frames.detector.hash);
}

TEST_F(DistributionMeasured, IntervalsOfFewPatientsAreWarnedOfOnceForAClass) {
  const DistributionReport report = measure({"fid", "kid"});
  for (const DistributionRow& row : report.detectors[0].rows) {
    const char* patients = row.class_name.empty() ? "12" : "6";
    EXPECT_THAT(row.metric.warnings,
                Contains(std::string("few: ") + patients +
                         " real patients; the interval of fewer than 20 is not to be trusted"));
  }
  EXPECT_THAT(report.to_text(options_),
              HasSubstr("\n  FID, KID of all: few: 12 synthetic patients; the "));
  EXPECT_THAT(report.to_text(options_),
              HasSubstr("\n  FID of all: few: 12 real patients for features of "
                        "width 64; the corrected figure"));
  options_.intervals.folds = 0;
  for (const DistributionRow& row : measure({"kid"}).detectors[0].rows) {
    EXPECT_TRUE(row.metric.warnings.empty());
  }
}

TEST_F(DistributionMeasured, EqualsTheMetricsOfTheDetectorsOwnFeatures) {
  const double made = measure({"fid"}).detectors[0].rows[0].metric.estimate.value;
  const auto detector = make_detector({"in-domain", false, options_.model});
  const auto features = [&](const fs::path& directory) {
    FeatureTable table;
    std::vector<at::Tensor> rows;
    const VideoSet set = VideoSet::open(directory);
    for (const VideoItem& video : set.videos()) {
      io::Frames frames = load_frames(video);
      const at::Tensor pixels =
          at::from_blob(frames.pixels.data(), {frames.count, 1, 1, 16, 16}, at::kByte);
      rows.push_back(detector->run(pixels, false).features);
    }
    table.features = at::cat(rows);
    return table;
  };
  const FeatureTable real = features(options_.real), synthetic = features(options_.synthetic);
  EXPECT_NEAR(made, frechet_metric(real, synthetic, {}, {.folds = 0}).estimate.value, 1e-6 * made);
}

TEST_F(DistributionMeasured, FeaturesAreKeptByContentAndNotByName) {
  const double first = measure({"fid"}).detectors[0].rows[0].metric.estimate.value;
  const auto files = [&] {
    return std::distance(fs::recursive_directory_iterator(options_.cache),
                         fs::recursive_directory_iterator());
  };
  const auto before = files();
  EXPECT_EQ(measure({"fid"}).detectors[0].rows[0].metric.estimate.value, first);
  fs::rename(options_.synthetic, folder_ / "moved");
  options_.synthetic = folder_ / "moved";
  EXPECT_EQ(measure({"fid"}).detectors[0].rows[0].metric.estimate.value, first);
  EXPECT_EQ(files(), before);
  // Another content under the same name: other features.
  testing::write_noise(options_.synthetic, {.seed = 3, .contrast = 10.0});
  EXPECT_NE(measure({"fid"}).detectors[0].rows[0].metric.estimate.value, first);
  EXPECT_GT(files(), before);
}

TEST_F(DistributionMeasured, SharesOfTheVideosMakeTheSameTable) {
  const VideoSet set = VideoSet::open(options_.real);
  const auto detector = make_detector({"in-domain", true, options_.model});
  ExtractOptions extract;
  extract.frames = 8;
  const FeatureCache alone(folder_ / "alone"), shared(folder_ / "shared");
  alone.fill(set, *detector, extract);
  for (const int rank : {1, 0, 2}) shared.fill(set, *detector, extract, {rank, 3});
  EXPECT_TRUE(alone.collect(set, *detector, extract)
                  .features.equal(shared.collect(set, *detector, extract).features));
}

TEST_F(DistributionMeasured, PicturesGoThroughTogetherAndKeepTheirPlaces) {
  const VideoSet videos = VideoSet::open(options_.real);
  const fs::path pictures = folder_ / "pictures";
  fs::create_directories(pictures);
  for (std::size_t i = 0; i < 7; ++i) {
    io::Frames frames = slice(load_frames(videos.videos()[i]), static_cast<std::int64_t>(i), 1);
    cv::imwrite((pictures / (std::to_string(i) + ".png")).string(),
                cv::Mat(16, 16, CV_8UC1, frames.pixels.data()));
  }
  const VideoSet set = VideoSet::open(pictures);
  const auto detector = make_detector({"in-domain", false, options_.model});
  ExtractOptions extract;
  extract.batch_size = 3;
  extract.probabilities = true;
  const FeatureCache cache(folder_ / "cache");
  cache.fill(set, *detector, extract);
  const FeatureTable table = cache.collect(set, *detector, extract);
  ASSERT_EQ(table.rows(), 7);
  for (std::int64_t i = 0; i < 7; ++i) {
    io::Frames frames = load_frames(set.videos()[static_cast<std::size_t>(i)]);
    const at::Tensor pixels = at::from_blob(frames.pixels.data(), {1, 1, 1, 16, 16}, at::kByte);
    const DetectorOutput alone = detector->run(pixels, true);
    EXPECT_TRUE(table.features.slice(0, i, i + 1).allclose(alone.features, 1e-4, 1e-5));
    EXPECT_TRUE(
        table.log_probabilities.slice(0, i, i + 1).allclose(alone.log_probabilities, 1e-4, 1e-5));
  }
}

TEST_F(DistributionMeasured, JpegAndFrameRateAndClipChangeWhatIsMeasured) {
  const auto value = [&] { return measure({"fvd"}).detectors[0].rows[0].metric.estimate.value; };
  const double plain = value();
  options_.protocol.jpeg = "published";
  const double jpeg = value();
  options_.protocol.jpeg = "none";
  options_.protocol.synthetic_clip = "first";
  const double first = value();
  options_.protocol.synthetic_clip = "random";
  options_.fps = 48;
  const double resampled = value();
  EXPECT_NE(plain, jpeg);
  EXPECT_NE(plain, first);
  EXPECT_NE(plain, resampled);
  options_.fps = 0;
  EXPECT_EQ(value(), plain);
}

using DistributionBadInput = DistributionTest;

TEST_F(DistributionBadInput, ShortVideosAreLeftOutCountedAndNamed) {
  options_.frames = 10;
  testing::write_noise(folder_ / "short", {.videos = 2, .frames = 5, .seed = 9});
  fs::rename(folder_ / "short/Videos/v1.avi", folder_ / "made/Videos/v1.avi");
  const DistributionReport report = measure({"fvd"});
  ASSERT_EQ(report.detectors[0].skipped_synthetic.size(), 1U);
  EXPECT_EQ(report.detectors[0].skipped_synthetic[0].name, "v1");
  EXPECT_EQ(report.detectors[0].skipped_synthetic[0].reason,
            "has 5 frames, fewer than the 10 of a clip");
  EXPECT_EQ(report.detectors[0].rows[0].synthetic.items, 11);
  options_.frames = 11;
  expect_error<DataError>([&] { measure({"fvd"}); }, "has no clip; two or more are needed");
}

/// A detector whose features, and logarithms of probabilities, are all one number.
class ConstantDetector : public Detector {
 public:
  ConstantDetector(double feature, double log_probability)
      : feature_(feature), log_probability_(log_probability) {
    description_.name = "constant";
    description_.hash = std::to_string(feature) + std::to_string(log_probability);
    description_.width = 3;
    description_.classes = 2;
  }

 protected:
  DetectorOutput compute(const at::Tensor& clips, bool) override {
    return {at::full({clips.size(0), 3}, feature_), at::full({clips.size(0), 2}, log_probability_)};
  }

 private:
  double feature_, log_probability_;
};

TEST_F(DistributionBadInput, ADetectorsOutputThatIsNotFiniteNamesTheVideoAndTheDetector) {
  const VideoSet set = VideoSet::open(options_.real);
  const FeatureCache cache(folder_ / "cache");
  ExtractOptions extract;
  extract.probabilities = true;
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double value : {std::nan(""), infinity, -infinity}) {
    ConstantDetector detector(value, std::log(0.5));
    expect_error<DataError>([&] { cache.fill(set, detector, extract); },
                            "real/Videos/v0.avi': detector 'constant' gives features that are not "
                            "finite");
  }
  ConstantDetector unsure(1.0, std::nan(""));
  expect_error<DataError>([&] { cache.fill(set, unsure, extract); },
                          "gives class probabilities that are not finite");
  // A probability of 0 is allowed; what was refused has left nothing behind.
  ConstantDetector certain(1.0, -infinity);
  cache.fill(set, certain, extract);
  EXPECT_EQ(cache.collect(set, certain, extract).rows(), 120);
  ConstantDetector broken(std::nan(""), 0.0);
  extract.probabilities = false;
  EXPECT_THROW(cache.fill(set, broken, extract), DataError);
}

TEST_F(DistributionBadInput, OtherClassesOnOneSideAreRefused) {
  auto studies = data::read_file_list(folder_ / "made/FileList.csv");
  studies[0].class_name = "PAH";
  data::write_file_list(folder_ / "made/FileList.csv", studies);
  expect_error<DataError>([&] { measure({"fid"}); },
                          "the real side has the classes ASD, Non-ASD, the synthetic one ASD, "
                          "Non-ASD, PAH; name those to compare by --class");
  options_.classes = {"Non-ASD"};
  EXPECT_EQ(measure({"fid"}).detectors[0].rows.size(), 1U);
}

TEST_F(DistributionBadInput, PatientsInTwoSplitsAreRefused) {
  auto studies = data::read_file_list(folder_ / "real/FileList.csv");
  studies[0].split = "TRAIN";
  studies[1].patient_id = studies[0].patient_id;
  data::write_file_list(folder_ / "real/FileList.csv", studies);
  expect_error<DataError>([&] { measure({"fid"}); }, "patient 'P0' is in TRAIN and in TEST");
}

TEST_F(DistributionBadInput, SwappedEqualAndSharedVideosAreWarnedOf) {
  write_file(folder_ / "real/manifest.jsonl", "");
  fs::copy_file(folder_ / "real/Videos/v3.avi", folder_ / "made/Videos/v3.avi",
                fs::copy_options::overwrite_existing);
  const std::vector<std::string> warnings = measure({"fid"}).warnings;
  EXPECT_THAT(warnings, Contains(HasSubstr("are they swapped?")));
  EXPECT_THAT(warnings, Contains(HasSubstr("1 of 12 synthetic videos are byte for byte")));
  options_.synthetic = options_.real;
  EXPECT_THAT(measure({"fid"}).warnings, Contains(HasSubstr("are the same folder")));
}

TEST_F(DistributionBadInput, OtherFrameRatesAreWarnedOf) {
  testing::write_noise(folder_ / "made", {.seed = 2, .fps = 25.0});
  EXPECT_THAT(measure({"fvd"}).warnings,
              Contains(HasSubstr("frame rates differ: real 32, synthetic 25")));
}

TEST_F(DistributionBadInput, ASingleVideoIsRefusedForClipsAndHasNoIntervalForFrames) {
  testing::write_noise(folder_ / "one", {.videos = 1});
  options_.synthetic = folder_ / "one";
  options_.classes = {"ASD"};
  expect_error<DataError>([&] { measure({"fvd"}); },
                          "the synthetic side has a single clip; two or more are needed");
  const DistributionReport report = measure({"fid"});
  EXPECT_FALSE(report.detectors[0].rows[0].metric.estimate.has_interval);
  EXPECT_THAT(report.detectors[0].rows[0].metric.warnings,
              Contains("no interval: the synthetic side has a single patient; two or more are "
                       "needed"));
}

TEST_F(DistributionBadInput, AMissingIntervalIsToldWithItsReason) {
  // Two classes of six patients with one clip each: half of them has two neighbours for a clip.
  const DistributionReport report = measure({"clip-prdc"});
  ASSERT_EQ(report.detectors[0].rows.size(), 3 * 4U);
  for (std::size_t i = 4; i < 12; ++i) {
    const MetricValue& metric = report.detectors[0].rows[i].metric;
    EXPECT_FALSE(metric.estimate.has_interval) << metric.metric;
    EXPECT_THAT(metric.warnings,
                Contains("no interval: halves of the 6 real and 6 synthetic patients have too few "
                         "neighbours; 12 patients a side are enough"));
  }
}

TEST_F(DistributionBadInput, ASingleFoldIsRefused) {
  options_.intervals.folds = 1;
  expect_error<UsageError>([&] { measure({"fid"}); }, "--folds 1 makes no interval");
}

TEST_F(DistributionBadInput, AnInceptionScoreOfAToolThatHasNoneIsRefusedOrLeftOut) {
  options_.compat = "clean-fid";
  options_.protocol = protocol_of("clean-fid");
  expect_error<UsageError>([&] { measure({"is"}); },
                           "--compat clean-fid: that tool has no inception score");
  const DistributionReport report = measure({"fid", "is"});
  ASSERT_EQ(report.detectors.size(), 1U);
  for (const DistributionRow& row : report.detectors[0].rows) {
    EXPECT_EQ(row.metric.metric, "FID");
  }
  EXPECT_TRUE(has_inception_score("torch-fidelity"));
}

TEST_F(DistributionMeasured, TheTextSaysHowManyFramesAndAsWhichTool) {
  options_.metrics = {"fid", "fvd"};
  options_.every = 2;
  options_.compat = "stylegan-v";
  const std::string text = measure(options_.metrics).to_text(options_);
  EXPECT_THAT(text, HasSubstr(", frames: 64 features, one of 2 frames, SHA-256 "));
  EXPECT_THAT(text, HasSubstr(", clips: 256 features, clips of 8 frames, SHA-256 "));
  EXPECT_THAT(text, HasSubstr("\nComputed as stylegan-v does (--compat), but for "));
  options_.compat = "echopath";
  options_.fps = 48;
  const std::string resampled = measure({"fvd"}).to_text(options_);
  EXPECT_THAT(resampled, HasSubstr("clips of 8 frames, at 48 frames per second"));
  EXPECT_THAT(resampled, ::testing::Not(HasSubstr("Computed as")));
}

// The resize of a protocol is the native InceptionV3's; in-domain and TorchScript detectors have
// their own.
TEST_F(DistributionMeasured, AResizeThatADetectorDoesNotDoIsNotClaimed) {
  const std::string no_effect = "inception_resize=clean has no effect on detector '";
  options_.compat = "clean-fid";
  options_.protocol = protocol_of("clean-fid");
  options_.by_class = false;
  const std::string script = ECHOPATH_SOURCE_DIR "/tests/fixtures/evaluation/frame_detector.pt";
  for (const std::string& given : {std::string("in-domain"), script}) {
    options_.frame_detectors = {given};
    const DistributionReport report = measure({"fid"});
    const std::string name = report.detectors[0].detector.name;
    EXPECT_THAT(report.warnings, Contains(::testing::StartsWith(no_effect + name)));
    EXPECT_THAT(report.to_text(options_),
                HasSubstr("\nComputed as clean-fid does (--compat), but for the resize of frames, "
                          "which is the detector's own with '" +
                          name + "'.\n"));
  }
  // A tool whose resize is the default one is not warned of.
  options_.compat = "torch-fidelity";
  options_.protocol = protocol_of("torch-fidelity");
  EXPECT_THAT(measure({"fid"}).warnings, ::testing::Not(Contains(HasSubstr("inception_resize"))));
}

TEST(DistributionText, NamesTheToolWithoutReserveWhereItsResizeWasDone) {
  DistributionOptions options;
  options.compat = "clean-fid";
  DistributionReport report;
  report.detectors.resize(1);
  report.detectors[0].detector.name = "InceptionV3 w.pth";
  report.detectors[0].detector.preprocessing = "resize clean";
  EXPECT_THAT(report.to_text(options), HasSubstr("\nComputed as clean-fid does (--compat).\n"));
  options.synthetic_features = "f.safetensors";
  EXPECT_THAT(report.to_text(options),
              HasSubstr("\nComputed as clean-fid does (--compat) from features that were given; "));
}

TEST_F(DistributionBadInput, FramesOfAnotherSizeNameTheVideo) {
  testing::write_noise(folder_ / "made", {.size = 20});
  expect_error<DataError>([&] { measure({"fid"}); }, "made/Videos/v0.avi': detector");
}

TEST_F(DistributionMeasured, KeptFeaturesNameTheirDetector) {
  measure({"fid"});
  std::vector<fs::path> kept;
  for (const auto& entry : fs::recursive_directory_iterator(options_.cache)) {
    if (entry.is_regular_file()) kept.push_back(entry.path());
  }
  ASSERT_EQ(kept.size(), 24U);
  const io::SafetensorsFile file(kept[0]);
  const auto detector = make_detector({"in-domain", false, options_.model});
  EXPECT_EQ(file.metadata().at("detector"), detector->description().name);
  EXPECT_EQ(file.metadata().at("detector_sha256"), detector->description().hash);
}

TEST_F(DistributionBadInput, FeaturesOfOtherWidthsAndMissingOptionsAreTold) {
  io::save_safetensors(folder_ / "a.safetensors", {{"features", at::randn({9, 3})}});
  io::save_safetensors(folder_ / "b.safetensors", {{"features", at::randn({9, 4})}});
  DistributionOptions files;
  files.metrics = {"fid"};
  files.real_features = folder_ / "a.safetensors";
  expect_error<UsageError>([&] { measure_distribution(files); },
                           "--synthetic-features is required");
  files.synthetic_features = folder_ / "b.safetensors";
  expect_error<DataError>([&] { measure_distribution(files); },
                          "the real features are 3 wide, the synthetic ones 4");
  files.metrics = {"is"};
  expect_error<DataError>([&] { measure_distribution(files); }, "has no probabilities [N, K]");
  options_.real.clear();
  expect_error<UsageError>([&] { measure({"fid"}); }, "--real is required");
}

}  // namespace
}  // namespace echopath::evaluation
