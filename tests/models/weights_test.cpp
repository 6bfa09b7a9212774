#include "echopath/models/weights.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/models/reid.hpp"
#include "echopath/nn/layers.hpp"
#include "models/network_weights.hpp"
#include "models/weight_check.hpp"

namespace echopath::models {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

ReIdConfig tiny_config() {
  ReIdConfig config;
  config.width = 4;
  config.depths = {1, 1, 1, 1};
  config.block = "basic";
  config.embedding_dim = 6;
  return config;
}

io::TensorMap owned_state(const torch::nn::Module& module) {
  io::TensorMap state;
  for (const auto& [name, tensor] : state_dict(module)) state[name] = tensor.clone();
  return state;
}

std::string message_of(torch::nn::Module& module, const io::TensorMap& weights) {
  try {
    load_weights(module, weights, "weights.safetensors");
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

class WeightFiles : public ::testing::Test {
 protected:
  WeightFiles() {
    std::filesystem::create_directories(folder_);
    path_ = folder_ / "weights.safetensors";
  }
  ~WeightFiles() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) / ("weights_" + std::to_string(::getpid()));
  std::filesystem::path path_;
};

TEST(Weights, EveryFaultIsListedInOneError) {
  ReIdNet network(tiny_config());
  io::TensorMap weights = owned_state(*network);
  weights.erase("fc_end.bias");
  weights.erase("model.bn1.running_mean");
  weights["model.surplus"] = torch::ones({1});
  weights["model.fc.bias"] = torch::ones({6}, torch::kInt);
  weights["model.conv1.weight"] = torch::ones({4, 3, 7, 7});
  EXPECT_THAT(message_of(*network, weights),
              AllOf(HasSubstr("weights.safetensors"),
                    HasSubstr("missing: fc_end.bias, model.bn1.running_mean"),
                    HasSubstr("not in the network: model.surplus"),
                    HasSubstr("model.conv1.weight is [4, 3, 7, 7], not [4, 4, 7, 7]"),
                    HasSubstr("wrong dtype: model.fc.bias is Int, not Float")));
}

TEST(Weights, NothingIsCopiedWhenAKeyIsMissing) {
  ReIdNet network(tiny_config());
  const io::TensorMap before = owned_state(*network);
  io::TensorMap weights = before;
  weights["fc_end.weight"] = torch::full({1, 6}, 9.0);
  weights.erase("model.fc.bias");
  EXPECT_THROW(load_weights(*network, weights, "w"), DataError);
  EXPECT_TRUE(at::equal(state_dict(*network).at("fc_end.weight"), before.at("fc_end.weight")));
}

TEST(Weights, NotFiniteWeightsAreRefusedByName) {
  ReIdNet network(tiny_config());
  io::TensorMap weights = owned_state(*network);
  weights["model.fc.bias"][2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(message_of(*network, weights),
              AllOf(HasSubstr("'model.fc.bias'"), HasSubstr("not finite")));
  weights["model.fc.bias"][2] = -std::numeric_limits<float>::infinity();
  weights["model.bn1.weight"][0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(message_of(*network, weights), HasSubstr("'model.bn1.weight', 'model.fc.bias'"));
  weights["model.bn1.weight"][0] = 1.0F;
  weights["model.fc.bias"].fill_(3e38F);  // finite, though its sum overflows float32
  EXPECT_THAT(message_of(*network, weights), Not(HasSubstr("finite")));
}

TEST_F(WeightFiles, SavedWeightsLoadIntoAnotherNetwork) {
  torch::manual_seed(1);
  ReIdNet saved(tiny_config());
  save_weights(*saved, path_, at::kFloat, {{"made_by", "test"}});
  ReIdNet loaded(tiny_config());
  load_weights(*loaded, io::SafetensorsFile(path_), path_.string());
  saved->eval();
  loaded->eval();
  const torch::Tensor x = torch::rand({2, 4, 14, 14});
  EXPECT_TRUE(at::equal(saved->embed(x), loaded->embed(x)));
  EXPECT_EQ(io::SafetensorsFile(path_).metadata().at("made_by"), "test");
}

TEST_F(WeightFiles, HalfPrecisionOnDiskBecomesFloat32) {
  torch::manual_seed(2);
  ReIdNet saved(tiny_config());
  save_weights(*saved, path_, at::kHalf);
  const io::SafetensorsFile file(path_);
  EXPECT_EQ(file.dtype("model.conv1.weight"), at::kHalf);
  EXPECT_EQ(file.dtype("model.bn1.num_batches_tracked"), at::kLong);
  ReIdNet loaded(tiny_config());
  load_weights(*loaded, file, path_.string());
  const at::Tensor weight = state_dict(*loaded).at("model.conv1.weight");
  EXPECT_EQ(weight.scalar_type(), at::kFloat);
  EXPECT_TRUE(
      at::equal(weight, state_dict(*saved).at("model.conv1.weight").to(at::kHalf).to(at::kFloat)));
}

TEST_F(WeightFiles, NotFiniteWeightsAreNotSaved) {
  ReIdNet network(tiny_config());
  state_dict(*network).at("fc_end.bias").fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_THROW(save_weights(*network, path_), DataError);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

/// Whether the tensor's memory is a map of the file.
bool is_on_map(const torch::Tensor& tensor, const std::filesystem::path& file) {
  const auto place = reinterpret_cast<std::uintptr_t>(tensor.data_ptr());
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::size_t dash = 0;
    const std::uintptr_t begin = std::stoull(line, &dash, 16);
    const std::uintptr_t end = std::stoull(line.substr(dash + 1), nullptr, 16);
    if (begin <= place && place < end) return line.ends_with(file.string());
  }
  return false;
}

TEST_F(WeightFiles, ANetworkWorksOnTheMapOfItsFileAndNeverWritesThere) {
  torch::manual_seed(3);
  nn::Linear saved(24, 16);
  save_weights(saved, path_);
  const std::string bytes = read_file(path_);
  nn::Linear loaded(24, 16);
  load_network_weights(loaded, path_);
  const torch::Tensor weight = state_dict(loaded).at("weight");
  EXPECT_TRUE(is_on_map(weight, path_));
  EXPECT_TRUE(loaded.parameters().front().requires_grad());
  const torch::Tensor x = torch::rand({2, 24});
  EXPECT_TRUE(at::equal(loaded.forward(x), saved.forward(x)));
  weight.fill_(7.0);
  EXPECT_EQ(weight.min().item<float>(), 7.0F);
  EXPECT_EQ(loaded.parameters().front().min().item<float>(), 7.0F);
  EXPECT_EQ(read_file(path_), bytes);
  std::filesystem::remove(path_);
  EXPECT_EQ(weight.max().item<float>(), 7.0F);
}

TEST_F(WeightFiles, ConvolutionsAreLaidOutAsTheyComputeAndNotAsTheFile) {
  torch::manual_seed(4);
  nn::Conv2d saved({3, 5, 3, 1, 1});
  save_weights(saved, path_);
  nn::Conv2d loaded({3, 5, 3, 1, 1});
  load_network_weights(loaded, path_);
  EXPECT_TRUE(at::equal(loaded.weight(), saved.weight()));
  EXPECT_TRUE(loaded.weight().is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_FALSE(is_on_map(loaded.weight(), path_));
  EXPECT_TRUE(is_on_map(loaded.bias(), path_));
}

TEST_F(WeightFiles, OtherPrecisionsAreConvertedAndNotMapped) {
  nn::Linear saved(24, 16);
  save_weights(saved, path_, at::kHalf);
  nn::Linear loaded(24, 16);
  load_network_weights(loaded, path_);
  const torch::Tensor weight = state_dict(loaded).at("weight");
  EXPECT_FALSE(is_on_map(weight, path_));
  EXPECT_TRUE(at::equal(weight, state_dict(saved).at("weight").to(at::kHalf).to(at::kFloat)));
}

TEST(Weights, OneBadNumberAnywhereIsFoundInEveryPrecision) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) {
    const torch::Tensor whole = torch::randn({3, 70'001}).to(dtype);
    EXPECT_TRUE(all_finite(whole)) << dtype;
    for (const double bad :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity()}) {
      for (const std::int64_t place : {0, 65'535, 70'000}) {
        torch::Tensor tensor = whole.clone();
        tensor[2][place] = bad;
        EXPECT_FALSE(all_finite(tensor)) << dtype;
        EXPECT_FALSE(all_finite(tensor.t())) << dtype;
        EXPECT_TRUE(all_finite(tensor.slice(1, place + 1))) << dtype;
      }
    }
  }
  EXPECT_TRUE(all_finite(torch::full({2}, std::numeric_limits<float>::max())));
  EXPECT_TRUE(all_finite(torch::ones({2}, torch::kLong)));
}

TEST(Weights, CountIsOfParametersNotBuffers) {
  const torch::nn::BatchNorm2d norm(5);
  EXPECT_EQ(parameter_count(*norm), 10);
  EXPECT_EQ(state_dict(*norm).size(), 5U);
}

}  // namespace
}  // namespace echopath::models
