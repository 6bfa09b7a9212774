#include "echopath/generation/forward.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "echopath/core/errors.hpp"
#include "echopath/models/convert.hpp"
#include "toy_model.hpp"

namespace echopath::generation {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

const fs::path kSources = fs::path(ECHOPATH_SOURCE_DIR) / "tests/fixtures/convert";

/// The `sample` that a network answers.
at::Tensor answer(const TemporaryFolder& folder, const fs::path& model, const std::string& network,
                  const io::TensorMap& inputs) {
  ForwardOptions options;
  options.model = model.string();
  options.network = network;
  options.inputs = (folder / "in.safetensors").string();
  options.out = (folder / "out.safetensors").string();
  options.decode = network == "vae";
  options.device = "cpu";
  io::save_safetensors(options.inputs, inputs);
  run_forward(options);
  return io::SafetensorsFile(options.out).tensor("sample").clone();
}

/// A network as others left it answers what its converted self does.
void check_source(const std::string& source, const std::string& network,
                  const io::TensorMap& inputs) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "as_it_is");
  fs::create_directories(folder / "converted");
  fs::copy(kSources / source, folder / "as_it_is" / network);
  models::ConvertOptions options;
  options.source = (kSources / source).string();
  models::Conversion(options).write(folder / "converted" / network);
  const at::Tensor as_it_is = answer(folder, folder / "as_it_is", network, inputs);
  const at::Tensor converted = answer(folder, folder / "converted", network, inputs);
  // Weights are used where they lie in their files, and matrix products round by how memory is
  // aligned.
  EXPECT_LT(((as_it_is - converted).abs().max() / converted.abs().max()).item<double>(), 1e-6);
  EXPECT_GT(as_it_is.std().item<double>(), 0.0);
}

io::TensorMap image_inputs() {
  return {{"sample", torch::randn({1, 4, 8, 8})}, {"timestep", at::tensor({300})}};
}

TEST(Forward, OpensShardsWithTheirIndex) {
  check_source("sharded", "lidm", image_inputs());
}

TEST(Forward, OpensABinFileWithLegacyAttentionNames) {
  check_source("legacy_attention", "vae", {{"z", torch::randn({1, 2, 8, 8})}});
}

TEST(Forward, ADamagedOrAbsentShardIsNamed) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "model");
  fs::copy(kSources / "sharded", folder / "model" / "lidm");
  const auto error = [&] {
    try {
      answer(folder, folder / "model", "lidm", image_inputs());
    } catch (const DataError& caught) {
      return std::string(caught.what());
    }
    return std::string("no error");
  };
  const fs::path shard =
      folder / "model" / "lidm" / "diffusion_pytorch_model-00002-of-00004.safetensors";
  fs::resize_file(shard, fs::file_size(shard) - 100);
  EXPECT_THAT(error(), HasSubstr("00002-of-00004.safetensors"));
  fs::remove(shard);
  EXPECT_THAT(error(), AllOf(HasSubstr("00002-of-00004.safetensors"), HasSubstr("shard of")));
}

/// What `forward` says of the toy model's LVDM where some of its inputs are others.
std::string complaint_of_lvdm(const io::TensorMap& changed) {
  const TemporaryFolder folder;
  io::TensorMap inputs = {{"sample", torch::zeros({3, 6, 8, 16, 16})},
                          {"timestep", at::tensor({5})},
                          {"labels", at::tensor({0, 1, 2})},
                          {"added_time_ids", torch::zeros({3, 1})}};
  for (const auto& [name, tensor] : changed) inputs[name] = tensor;
  try {
    answer(folder, testing::shared_toy_model(), "lvdm", inputs);
  } catch (const DataError& caught) {
    const std::string text = caught.what();
    return text.substr(text.find("in.safetensors: ") + 16);
  }
  return "no error";
}

TEST(Forward, InputsThatDoNotFitAreNamedWithWhatDoes) {
  EXPECT_EQ(complaint_of_lvdm({}), "no error");
  EXPECT_EQ(complaint_of_lvdm({{"sample", torch::zeros({3, 6, 4, 16, 16})}}),
            "'sample' is [3, 6, 4, 16, 16] of Float numbers, but the network takes "
            "[batch, frames, 8 (channels), height, width] of floating-point numbers");
  const std::string wanted = "but the network takes [batch, frames, 8 (channels)";
  EXPECT_THAT(complaint_of_lvdm({{"sample", torch::zeros({3, 8, 16, 16})}}), HasSubstr(wanted));
  EXPECT_THAT(complaint_of_lvdm({{"sample", torch::zeros({3, 0, 8, 16, 16})}}), HasSubstr(wanted));
  EXPECT_THAT(complaint_of_lvdm({{"sample", torch::zeros({3, 6, 8, 16, 16}, torch::kLong)}}),
              AllOf(HasSubstr("of Long numbers"), HasSubstr(wanted)));
  EXPECT_THAT(
      complaint_of_lvdm({{"timestep", at::tensor({5, 6})}}),
      HasSubstr("'timestep' is [2] of Int numbers, but the network takes one number, or one "
                "for each of the 3"));
  EXPECT_THAT(complaint_of_lvdm({{"timestep", at::ones({3}, at::kBool)}}), HasSubstr("'timestep'"));
  EXPECT_THAT(complaint_of_lvdm({{"added_time_ids", torch::zeros({1, 1})}}),
              HasSubstr("takes [3 (batch), 1 (time ids)]"));
  EXPECT_THAT(complaint_of_lvdm({{"labels", at::tensor({0})}}),
              HasSubstr("takes [3 (batch)] of integers from 0 to 2"));
  EXPECT_THAT(complaint_of_lvdm({{"labels", at::tensor({0, 1, 3})}}), HasSubstr("from 0 to 2"));
  EXPECT_THAT(complaint_of_lvdm({{"encoder_hidden_states", torch::zeros({1, 1, 4})}}),
              HasSubstr("'encoder_hidden_states' is [1, 1, 4] of Float numbers, but the network "
                        "takes [3 (batch), tokens, "));
}

TEST(Forward, AFlatListOfTimeIdsIsTakenAsDiffusersDoes) {
  EXPECT_EQ(complaint_of_lvdm({{"added_time_ids", torch::zeros({3})}}), "no error");
}

TEST(Forward, TensorsBesideTheNetworkAreNotIgnored) {
  const TemporaryFolder folder;
  testing::save_toy(folder / "model", "vae", "AutoencoderKL", testing::toy_vae());
  const fs::path file = folder / "model" / "vae" / "diffusion_pytorch_model.safetensors";
  io::TensorMap tensors = io::load_safetensors(file);
  tensors["loss.logvar"] = torch::zeros({1});
  io::save_safetensors(file, tensors);
  try {
    answer(folder, folder / "model", "vae", {{"z", torch::randn({1, 4, 8, 8})}});
    FAIL() << "the discriminator's tensor was ignored";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("loss.logvar"), HasSubstr("echopath convert")));
  }
}

}  // namespace
}  // namespace echopath::generation
