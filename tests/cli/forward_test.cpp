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
                const io::TensorMap& inputs, const std::vector<std::string>& more = {},
                const std::string& model = shared_toy_model().string()) {
  io::save_safetensors(folder / "in.safetensors", inputs);
  std::vector<std::string> arguments = {"forward",
                                        "--model",
                                        model,
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
  ASSERT_EQ(forward(folder, "vae", {{"z", mean}}, {"--decode"}).exit_code, 0);
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

/// Writes `network` into `folder` alone, runs it on `inputs`, and compares with `expected`.
template <class Network>
void check_alone(const std::string& name, const std::string& class_name, Network network,
                 const config::Json& config, const io::TensorMap& inputs,
                 const std::function<at::Tensor(Network&)>& expected) {
  const TemporaryFolder folder;
  const torch::NoGradGuard no_grad;
  network->eval();
  models::save_component(folder / "model", {name, class_name, config}, *network);
  const Outcome outcome = forward(folder, name, inputs, {}, folder / "model");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const io::SafetensorsFile out(folder / "out.safetensors");
  EXPECT_THAT(out.names(), ::testing::ElementsAre("sample")) << name;
  EXPECT_TRUE(at::allclose(out.tensor("sample"), expected(network), 1e-4, 1e-5)) << name;
}

template <class Config>
config::Json json_of(Config config) {
  return config::dump(config::visit_of(config));
}

TEST(ForwardVerb, AFolderOfTheLvdmAloneIsEnough) {
  models::UNetSpatioTemporalConfig config;
  config.block_out_channels = {32, 32};
  config.down_block_types = {"CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"};
  config.up_block_types = {"UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"};
  config.num_attention_heads = {2};
  config.cross_attention_dim = {1};
  models::UNetSpatioTemporalConditionModel lvdm(config);
  const at::Tensor sample = torch::randn({2, 3, 8, 4, 4});
  const at::Tensor context = torch::randn({2, 1, 1});
  const at::Tensor ids = torch::zeros({2, 1});
  check_alone<models::UNetSpatioTemporalConditionModel>(
      "lvdm", "UNetSpatioTemporalConditionModel", lvdm, json_of(config),
      {{"sample", sample},
       {"timestep", at::scalar_tensor(500, at::kLong)},  // one number for all samples
       {"encoder_hidden_states", context},
       {"added_time_ids", ids}},
      [&](auto& network) {
        return network->forward(sample, torch::tensor({500, 500}), context, ids);
      });
}

TEST(ForwardVerb, RunsTheReIdNetworkAndTheResNets) {
  const at::Tensor image = torch::randn({2, 3, 32, 32});
  const at::Tensor clip = torch::randn({2, 3, 4, 16, 16});
  models::ReIdConfig reid;
  reid.in_channels = 3;
  reid.width = 4;
  check_alone<models::ReIdNet>("reid", "ReIdNet", models::ReIdNet(reid), json_of(reid),
                               {{"sample", image}},
                               [&](auto& network) { return network->embed(image); });
  models::ResNetOptions resnet;
  resnet.width = 4;
  resnet.num_classes = 6;
  check_alone<models::ResNet>("resnet50", "ResNet", models::ResNet(resnet), json_of(resnet),
                              {{"sample", image}},
                              [&](auto& network) { return network->forward(image); });
  models::VideoResNetOptions video;
  video.width = 4;
  for (const std::string convolution : {"3d", "2plus1d"}) {
    video.convolution = convolution;
    check_alone<models::VideoResNet>(convolution == "3d" ? "r3d_18" : "r2plus1d_18", "VideoResNet",
                                     models::VideoResNet(video), json_of(video), {{"x", clip}},
                                     [&](auto& network) { return network->forward(clip); });
  }
}

TEST(ForwardVerb, RunsAClassifierByTheNameOfItsFolder) {
  const TemporaryFolder folder;
  const torch::NoGradGuard no_grad;
  models::ClassifierConfig config;
  config.classes = {"A", "B"};
  config.video = {1, 4, {1, 1, 1, 1}};
  config.clip.mean = config.clip.deviation = {0.5};
  const models::Classifier classifier(config);
  models::save_component(folder / "model", {"classifier_asd", "Classifier", json_of(config)},
                         *classifier);
  models::update_model_info(folder / "model", [](models::ModelInfo&) {});
  classifier.module()->eval();
  const at::Tensor clip = torch::randn({2, 1, 4, 16, 16});
  const Outcome outcome =
      forward(folder, "classifier_asd", {{"sample", clip}}, {}, folder / "model");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(at::allclose(io::SafetensorsFile(folder / "out.safetensors").tensor("sample"),
                           classifier.forward(clip), 1e-4, 1e-5));
}

TEST(ForwardVerb, UnusedTensorsAreMentioned) {
  const TemporaryFolder folder;
  const Outcome outcome =
      forward(folder, "vae", {{"z", torch::zeros({1, 4, 4, 4})}, {"labels", torch::zeros({1})}},
              {"--decode"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("'labels' is not used"));
}

TEST(ForwardVerb, UnknownNetworksAreNamedWithTheKnownOnes) {
  const TemporaryFolder folder;
  const Outcome outcome = forward(folder, "unet", {{"sample", torch::zeros({1, 4, 8, 8})}});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("unknown network 'unet'; known: vae, lidm, lvdm, reid, "
                                     "resnet50, r3d_18, r2plus1d_18"));
}

TEST(ForwardVerb, MissingTensorAndWrongShapeAreDataErrors) {
  const TemporaryFolder folder;
  const Outcome missing = forward(folder, "reid", {{"y", torch::zeros({1, 4, 14, 14})}});
  EXPECT_EQ(missing.exit_code, 3);
  EXPECT_THAT(missing.err, HasSubstr("no tensor 'sample'; it holds y"));
  const Outcome wrong = forward(folder, "reid", {{"sample", torch::zeros({1, 3, 14, 14})}});
  EXPECT_EQ(wrong.exit_code, 3);
  EXPECT_THAT(wrong.err, HasSubstr("'sample' is [1, 3, 14, 14]"));
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
