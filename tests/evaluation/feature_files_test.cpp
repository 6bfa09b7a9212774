// Comparisons of files of features: how their results are headed, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/evaluation/distribution.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::evaluation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class DistributionOfFeatures : public ::testing::Test {
 protected:
  DistributionOfFeatures() {
    torch::manual_seed(8);
    options_.metrics = {"fid"};
    options_.real_features = write("a", {});
    options_.synthetic_features = write("b", {});
  }
  fs::path write(const std::string& name, const io::Metadata& metadata) const {
    const fs::path path = folder_ / (name + ".safetensors");
    io::save_safetensors(path, {{"features", at::randn({40, 3})}}, metadata);
    return path;
  }
  DistributionReport measure() const { return measure_distribution(options_).value(); }

  TemporaryDirectory folder_;
  DistributionOptions options_;
};

TEST_F(DistributionOfFeatures, AreNamedByTheirFilesAndHashes) {
  const DistributionReport report = measure();
  const std::string a = sha256_file(folder_ / "a.safetensors"),
                    b = sha256_file(folder_ / "b.safetensors");
  EXPECT_TRUE(report.warnings.empty());
  EXPECT_EQ(report.detectors[0].detector.name,
            "features of a.safetensors (SHA-256 " + a.substr(0, 12) +
                ") and b.safetensors (SHA-256 " + b.substr(0, 12) + ")");
  const config::Json json = report.to_json(options_);
  EXPECT_EQ(json["real_sha256"], a);
  EXPECT_EQ(json["synthetic_sha256"], b);
}

TEST_F(DistributionOfFeatures, AreHeadedByTheDetectorThatTheyName) {
  write("a", {{"detector", "net"}, {"detector_sha256", "0123456789abcdef"}});
  write("b", {{"detector_sha256", "0123456789abcdef"}});
  const DistributionReport report = measure();
  EXPECT_TRUE(report.warnings.empty());
  EXPECT_THAT(report.to_text(options_), StartsWith("net, features of a.safetensors (SHA-256 "));
  EXPECT_THAT(report.to_text(options_), HasSubstr("): 3 features, SHA-256 0123456789ab\n"));
}

TEST_F(DistributionOfFeatures, OfTwoDetectorsAreRefused) {
  write("a", {{"detector", "net"}, {"detector_sha256", "01"}});
  write("b", {{"detector", "net"}, {"detector_sha256", "02"}});
  expect_error<DataError>([&] { measure(); },
                          "a.safetensors' holds features of detector 'net' (SHA-256 01), '");
  write("b", {{"detector", "other"}});
  expect_error<DataError>([&] { measure(); }, "of 'other'; both sides must come from one detector");
  write("b", {});
  EXPECT_THAT(measure().warnings,
              ElementsAre(HasSubstr("b.safetensors' does not say which detector")));
}

TEST_F(DistributionOfFeatures, TheSameFileOnBothSidesIsWarnedOf) {
  fs::copy_file(options_.real_features, options_.synthetic_features,
                fs::copy_options::overwrite_existing);
  EXPECT_THAT(measure().warnings, ElementsAre(HasSubstr("are the same file, byte for byte")));
}

TEST_F(DistributionOfFeatures, AreMeasuredOnceAsWhatTheySayThatTheyAreOf) {
  options_.metrics = {"fid", "kid", "fvd", "kvd"};
  expect_error<UsageError>([&] { measure(); },
                           "do not say whether they are of frames or of clips (metadata takes: ");
  write("b", {{"takes", "clips"}});
  const DistributionReport clips = measure();
  ASSERT_EQ(clips.detectors.size(), 1U);
  EXPECT_TRUE(clips.detectors[0].detector.takes_clips);
  ASSERT_EQ(clips.detectors[0].rows.size(), 2U);
  EXPECT_EQ(clips.detectors[0].rows[0].metric.metric, "FVD");
  EXPECT_EQ(clips.detectors[0].rows[1].metric.metric, "KVD");
  write("a", {{"takes", "frames"}});
  expect_error<DataError>([&] { measure(); }, "a.safetensors' holds features of frames, '");
  write("b", {});
  const DistributionReport frames = measure();
  ASSERT_EQ(frames.detectors.size(), 1U);
  EXPECT_FALSE(frames.detectors[0].detector.takes_clips);
  EXPECT_EQ(frames.detectors[0].rows[0].metric.metric, "FID");
  options_.metrics = {"fvd"};
  expect_error<DataError>([&] { measure(); },
                          "b.safetensors' holds features of frames (metadata takes); what is asked "
                          "for is of clips");
  write("a", {{"takes", "pictures"}});
  expect_error<DataError>([&] { measure(); },
                          "the metadata takes is 'pictures'; it must be frames or clips");
}

TEST_F(DistributionOfFeatures, OfNoToldKindAreWhatIsAskedFor) {
  const double fid = measure().detectors[0].rows[0].metric.estimate.value;
  options_.metrics = {"fvd"};
  const DistributionReport clips = measure();
  EXPECT_EQ(clips.detectors[0].rows[0].metric.metric, "FVD");
  EXPECT_EQ(clips.detectors[0].rows[0].metric.estimate.value, fid);
  // Nobody knows of how many frames they are.
  EXPECT_THAT(clips.to_text(options_), Not(HasSubstr("clips of")));
}

TEST_F(DistributionOfFeatures, OptionsThatOnlyVideosHaveAreRefused) {
  const std::vector<std::pair<const char*, std::function<void(DistributionOptions&)>>> cases = {
      {"--real-split has no effect on files of features", [](auto& o) { o.real_split = "TEST"; }},
      {"--synthetic-split has", [](auto& o) { o.synthetic_split = "TEST"; }},
      {"--class has", [](auto& o) { o.classes = {"ASD"}; }},
      {"--model has", [](auto& o) { o.model = "models/phantom"; }},
      {"--frame-detector has", [](auto& o) { o.frame_detectors = {"net.pt"}; }},
      {"--every has", [](auto& o) { o.every = 2; }},
      {"--frames has", [](auto& o) { o.frames = 8; }},
      {"--fps has", [](auto& o) { o.fps = 16; }}};
  const DistributionOptions plain = options_;
  for (const auto& [part, change] : cases) {
    options_ = plain;
    change(options_);
    expect_error<UsageError>([&] { measure(); }, part);
  }
}

}  // namespace
}  // namespace echopath::evaluation
