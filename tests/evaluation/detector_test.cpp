#include "echopath/evaluation/detector.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>
#include <torch/torch.h>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/models/inception_v3.hpp"
#include "echopath/models/weights.hpp"
#include "evaluation/made_comparison.hpp"
#include "evaluation/reference.hpp"

namespace echopath::evaluation {
namespace {

using testing::metric;

const fs::path kFixtures = ECHOPATH_SOURCE_DIR "/tests/fixtures/evaluation";

std::unique_ptr<Detector> detector(const std::string& what, bool clips,
                                   const fs::path& model = {}) {
  DetectorOptions options;
  options.what = what;
  options.clips = clips;
  options.model = model;
  return make_detector(options);
}

at::Tensor noise(at::IntArrayRef sizes) {
  return (normal_tensor(sizes, {5, Stream::kDataset}) * 40 + 120).clamp(0, 255).to(at::kByte);
}

/// Writes a TorchScript module with this method `forward` and returns its path.
std::string write_script(const fs::path& file, const std::string& forward) {
  torch::jit::Module script("Detector");
  script.define(forward);
  script.save(file.string());
  return file.string();
}

TEST(TorchScriptDetector, OfFramesGivesWhatTheModuleGivesInPython) {
  const auto made = detector((kFixtures / "frame_detector.pt").string(), false);
  EXPECT_EQ(made->description().width, 5);
  EXPECT_EQ(made->description().classes, 4);
  EXPECT_EQ(made->description().hash, sha256_file(kFixtures / "frame_detector.pt"));
  const DetectorOutput output = made->run(metric("frames").unsqueeze(1), true);
  EXPECT_TRUE(at::allclose(output.features, metric("frame_detector"), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(output.log_probabilities.exp(), metric("frame_detector_probabilities"),
                           1e-5, 1e-6));
}

TEST(TorchScriptDetector, OfClipsRescalesAndResizesInside) {
  const auto made = detector((kFixtures / "clip_detector.pt").string(), true);
  EXPECT_EQ(made->description().classes, 0);
  EXPECT_TRUE(at::allclose(made->run(metric("clips"), false).features, metric("clip_detector"),
                           1e-5, 1e-5));
  // Nine frames are the least; the module itself says so.
  expect_error<DataError>([&] { made->run(metric("clips").slice(1, 0, 8), false); },
                          "does not take clips [B, 3, T, H, W]");
}

TEST(TorchScriptDetector, OfTheOtherKindOrNoneIsRefused) {
  expect_error<DataError>([] { detector((kFixtures / "clip_detector.pt").string(), false); },
                          "does not take frames [B, 3, H, W]");
  const TemporaryDirectory folder;
  write_file(folder / "text.pt", "no module");
  expect_error<DataError>([&] { detector((folder / "text.pt").string(), false); },
                          "cannot be read as TorchScript");
  expect_error<DataError>([&] { detector((folder / "absent.pt").string(), false); }, "absent.pt");
}

TEST(TorchScriptDetector, WithoutARowForTheExampleIsRefused) {
  const TemporaryDirectory folder;
  const auto refused = [&](const std::string& forward, const std::string& part) {
    const std::string file = write_script(folder / "wrong.pt", forward);
    expect_error<DataError>([&] { detector(file, false); }, part);
  };
  refused("def forward(self, x):\n  return x.float()\n",
          "detector 'TorchScript wrong.pt' gives features of shape [1, 3, 64, 64] for one example, "
          "where [1, D] is needed");
  refused("def forward(self, x):\n  return x.float().mean([0, 3])\n",
          "gives features of shape [3, 64] for one example");
  refused(
      "def forward(self, x, no_output_bias: bool = False):\n"
      "  if no_output_bias:\n"
      "    return x.float().mean()\n"
      "  return x.float().mean([2, 3])\n",
      "gives class probabilities of shape [] for one example");
}

// Both are as wide as the frames, 64 columns at the first try.
TEST(TorchScriptDetector, WhoseWidthChangesWithTheFramesIsRefused) {
  const TemporaryDirectory folder;
  const at::Tensor frames = noise({2, 1, 3, 20, 20});
  const std::string of_features = write_script(
      folder / "features.pt", "def forward(self, x):\n  return x.float().mean([1, 2])\n");
  const auto made = detector(of_features, false);
  EXPECT_EQ(made->description().width, 64);
  expect_error<DataError>([&] { made->run(frames, false); },
                          "gives features of shape [2, 20] where [2, 64] were expected; it is not "
                          "made for this metric");
  const std::string of_classes =
      write_script(folder / "classes.pt",
                   "def forward(self, x, no_output_bias: bool = False):\n"
                   "  if no_output_bias:\n"
                   "    return x.float().mean([1, 2])\n"
                   "  return x.float().mean([2, 3])\n");
  const auto classifying = detector(of_classes, false);
  EXPECT_EQ(classifying->run(frames, false).features.size(1), 3);
  expect_error<DataError>([&] { classifying->run(frames, true); },
                          "gives class probabilities of shape [2, 20] where [2, 64] were expected");
}

TEST(ClassifierDetector, PutsFeaturesOfAllClassifiersSideBySide) {
  const TemporaryDirectory model;
  testing::write_classifiers(model.path());
  const auto both = detector("in-domain", false, model.path());
  const auto second = detector("classifier_pah", false, model.path());
  EXPECT_EQ(both->description().width, 64);
  EXPECT_EQ(both->description().classes, 4);
  EXPECT_NE(both->description().hash, second->description().hash);
  const at::Tensor frames = noise({3, 1, 1, 16, 16});
  const DetectorOutput output = both->run(frames, true);
  EXPECT_TRUE(output.features.slice(1, 32).allclose(second->run(frames, false).features));
  EXPECT_GT(output.features.std(0).max().item<float>(), 1e-3);
  // Joint probabilities: those of the second classifier are the sums over the first.
  const at::Tensor joint = output.log_probabilities.exp().view({3, 2, 2});
  EXPECT_TRUE(joint.sum({1, 2}).allclose(at::ones({3})));
  EXPECT_TRUE(joint.sum(1).allclose(second->run(frames, true).log_probabilities.exp(), 1e-4));
  EXPECT_FALSE(joint[0][0][0].allclose(joint[0][1][1]));
}

TEST(ClassifierDetector, OfClipsSeesMotion) {
  const TemporaryDirectory model;
  testing::write_classifiers(model.path());
  const auto made = detector("classifier_asd", true, model.path());
  EXPECT_EQ(made->description().width, 128);
  const at::Tensor clip = noise({1, 6, 1, 16, 16});
  const at::Tensor moving = made->run(clip, false).features;
  // The same frames in another order: mean and spread stay, changes from frame to frame do not.
  const at::Tensor order = at::tensor({0, 2, 4, 1, 3, 5}, at::kLong);
  const at::Tensor shuffled = made->run(clip.index_select(1, order), false).features;
  EXPECT_TRUE(moving.slice(1, 0, 64).allclose(shuffled.slice(1, 0, 64), 1e-3, 1e-5));
  EXPECT_FALSE(moving.slice(1, 64).allclose(shuffled.slice(1, 64), 1e-3, 1e-5));
  const at::Tensor still = made->run(clip.slice(1, 0, 1).repeat({1, 6, 1, 1, 1}), false).features;
  EXPECT_NEAR(still.slice(1, 32).abs().max().item<double>(), 0.0, 1e-4);
}

TEST(ClassifierDetector, ClipFeaturesAreTheStatisticsTheyAreSaidToBe) {
  const at::Tensor features = at::tensor({1.0, 3.0, 0.0, 4.0}).view({1, 4, 1});
  const at::Tensor expected = at::tensor({2.0, std::sqrt(2.5), 3.0, std::sqrt(29.0 / 3 - 1.0)});
  EXPECT_TRUE(clip_features(features).squeeze(0).allclose(expected));
}

TEST(ClassifierDetector, AVideoNetworkServesClipsOnly) {
  const TemporaryDirectory model;
  testing::write_classifiers(model.path(), /*clips=*/true);
  EXPECT_EQ(detector("classifier_clip", true, model.path())->description().width, 32);
  expect_error<UsageError>([&] { detector("classifier_clip", false, model.path()); },
                           "is neither a file nor a classifier of the model directory");
  EXPECT_EQ(detector("in-domain", false, model.path())->description().width, 64);
}

TEST(ClassifierDetector, WrongSizesAndNamesAreTold) {
  const TemporaryDirectory model;
  testing::write_classifiers(model.path());
  const auto made = detector("in-domain", true, model.path());
  expect_error<DataError>(
      [&] {
        made->run(noise({1, 4, 1, 20, 20}), false);
      },
      "takes frames of 16x16, these are 20x20");
  expect_error<DataError>(
      [&] {
        made->run(noise({1, 1, 1, 16, 16}), false);
      },
      "takes clips of at least 2 frames, not of 1");
  expect_error<UsageError>([&] { detector("classifier_asdd", false, model.path()); },
                           "did you mean 'classifier_asd'?");
  const TemporaryDirectory empty;
  models::update_model_info(empty.path(), [](models::ModelInfo&) {});
  expect_error<DataError>([&] { detector("in-domain", false, empty.path()); },
                          "has no classifier to take features of frames from");
}

TEST(InceptionDetector, NamesItsFileHashAndResize) {
  const TemporaryDirectory folder;
  const torch::NoGradGuard no_gradients;
  models::InceptionV3 network;
  testing::fill_by_formula(*network);
  const fs::path weights = folder / "w.safetensors";
  models::save_weights(*network, weights);
  const auto made = detector(weights.string(), false);
  EXPECT_EQ(made->description().name, "InceptionV3 w.safetensors");
  EXPECT_EQ(made->description().hash, sha256_file(weights));
  const DetectorOutput output = made->run(metric("images").slice(1, 0, 1).unsqueeze(1), true);
  EXPECT_LT((output.features - metric("inception_features_grey")).abs().max().item<double>(), 1e-4);
  EXPECT_TRUE(output.log_probabilities.exp().sum(1).allclose(at::ones({2})));
  expect_error<UsageError>([&] { detector(weights.string(), true); }, "looks at single frames");
}

}  // namespace
}  // namespace echopath::evaluation
