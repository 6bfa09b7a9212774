#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/run_program.hpp"
#include "echopath/io/safetensors.hpp"
#include "generation/toy_model.hpp"

namespace echopath::cli {
namespace {

using generation::testing::kToyImageSize;
using generation::testing::shared_toy_model;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run;
using testing::TemporaryFolder;

Outcome forward(const TemporaryFolder& folder, const std::string& network,
                const io::TensorMap& inputs, const std::vector<std::string>& more = {}) {
  io::save_safetensors(folder / "in.safetensors", inputs);
  std::vector<std::string> arguments = {"forward",
                                        "--model",
                                        shared_toy_model().string(),
                                        "--network",
                                        network,
                                        "--inputs",
                                        folder / "in.safetensors",
                                        "--out",
                                        folder / "out.safetensors",
                                        "--device",
                                        "cpu"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run(arguments);
}

TEST(ForwardVerb, EncodesAndDecodesAsTheVaeDoes) {
  const TemporaryFolder folder;
  const torch::NoGradGuard no_grad;
  models::AutoencoderKL vae = models::ModelDirectory::open(shared_toy_model()).load_vae(at::kCPU);
  const at::Tensor images = torch::rand({2, 3, kToyImageSize, kToyImageSize}) * 2 - 1;
  ASSERT_EQ(forward(folder, "vae", {{"sample", images}}, {"--encode"}).exit_code, 0);
  const at::Tensor mean = io::SafetensorsFile(folder / "out.safetensors").tensor("mean");
  EXPECT_TRUE(at::allclose(mean, vae->encode(images).mean, 1e-4, 1e-5));
  ASSERT_EQ(forward(folder, "vae", {{"latents", mean}}, {"--decode"}).exit_code, 0);
  EXPECT_TRUE(at::allclose(io::SafetensorsFile(folder / "out.safetensors").tensor("sample"),
                           vae->decode(mean), 1e-4, 1e-5));
}

TEST(ForwardVerb, LabelsStandForTheirClassEmbedding) {
  const TemporaryFolder folder;
  const torch::NoGradGuard no_grad;
  const models::ModelDirectory model = models::ModelDirectory::open(shared_toy_model());
  const at::Tensor labels = at::tensor({0, 2});
  const at::Tensor context = model.load_class_embedding("lidm", at::kCPU)->forward(labels);
  const at::Tensor sample = torch::randn({2, 4, 16, 16});
  const at::Tensor timestep = at::tensor({10, 900});
  const at::Tensor expected = model.load_lidm(at::kCPU)->predict(sample, timestep, context);
  ASSERT_EQ(
      forward(folder, "lidm", {{"sample", sample}, {"timestep", timestep}, {"labels", labels}})
          .exit_code,
      0);
  EXPECT_TRUE(at::allclose(io::SafetensorsFile(folder / "out.safetensors").tensor("sample"),
                           expected, 1e-4, 1e-5));
}

TEST(ForwardVerb, MissingTensorAndWrongShapeAreDataErrors) {
  const TemporaryFolder folder;
  const Outcome missing = forward(folder, "reid", {{"x", torch::zeros({1, 4, 14, 14})}});
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_THAT(missing.err, HasSubstr("no tensor 'sample'; it holds x"));
  const Outcome wrong = forward(folder, "reid", {{"sample", torch::zeros({1, 3, 14, 14})}});
  EXPECT_EQ(wrong.exit_code, 3);
  EXPECT_THAT(wrong.err, HasSubstr("the tensors do not fit the reid"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out.safetensors"));
}

TEST(ForwardVerb, VaeNeedsADirection) {
  const TemporaryFolder folder;
  const Outcome outcome = forward(folder, "vae", {{"sample", torch::zeros({1, 3, 28, 28})}});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("one of --encode and --decode"));
}

}  // namespace
}  // namespace echopath::cli
