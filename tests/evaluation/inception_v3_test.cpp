// The native InceptionV3 against torch-fidelity's, with the same weights.
#include "echopath/models/inception_v3.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "core/temporary_directory.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/models/weights.hpp"
#include "evaluation/formula_weights.hpp"
#include "evaluation/reference.hpp"

namespace echopath::models {
namespace {

using evaluation::testing::metric;

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

InceptionV3 network() {
  const torch::NoGradGuard no_gradients;
  InceptionV3 made;
  evaluation::testing::fill_by_formula(*made);
  return made;
}

TEST(InceptionV3, GivesTorchFidelitysFeaturesAndLogits) {
  const torch::NoGradGuard no_gradients;
  InceptionV3 ours = network();
  const at::Tensor features =
      ours->features(inception_images(metric("images"), InceptionResize::kTensorFlow1));
  EXPECT_LT(difference(features, metric("inception_features")), 1e-4);
  EXPECT_LT(difference(ours->logits_without_bias(features), metric("inception_logits")), 1e-4);
  // A grey picture is as good as three equal channels.
  const at::Tensor grey = metric("images").slice(1, 0, 1);
  EXPECT_LT(difference(ours->features(inception_images(grey, InceptionResize::kTensorFlow1)),
                       metric("inception_features_grey")),
            1e-4);
}

TEST(InceptionV3, ResizesAsTheOtherToolsDo) {
  const auto resized = [](InceptionResize resize) {
    return inception_images(metric("images"), resize).slice(2, 0, 299, 37).slice(3, 0, 299, 37);
  };
  const at::Tensor clean = resized(InceptionResize::kClean);
  EXPECT_LT(difference(clean, metric("inception_clean")), 1e-5);
  EXPECT_LT(difference(resized(InceptionResize::kAntialias), metric("inception_antialias")), 1e-5);
  EXPECT_GT(difference(clean, resized(InceptionResize::kTensorFlow1)), 0.05);
}

TEST(InceptionV3, ReadsItsWeightsFromAFileAndRefusesAnother) {
  const TemporaryDirectory folder;
  InceptionV3 ours = network();
  save_weights(*ours, folder / "weights.safetensors");
  InceptionV3 read = load_inception_v3(folder / "weights.safetensors", at::kCPU);
  EXPECT_TRUE(read->parameters()[0].equal(ours->parameters()[0]));
  write_file(folder / "none.pth", "no weights");
  expect_error<DataError>([&] { load_inception_v3(folder / "none.pth", at::kCPU); }, "none.pth");
  expect_error<DataError>([&] { load_inception_v3(folder / "absent.pth", at::kCPU); },
                          "absent.pth");
  io::save_safetensors(folder / "other.safetensors", {{"fc.weight", at::zeros({3, 4})}});
  expect_error<DataError>([&] { load_inception_v3(folder / "other.safetensors", at::kCPU); },
                          "other.safetensors");
}

}  // namespace
}  // namespace echopath::models
