#include "models/fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "echopath/models/weights.hpp"

namespace echopath::models::testing {

namespace {

const std::vector<std::string> kStreamLayers = {
    "conv_in",   "conv1",        "conv2",     "time_emb_proj",
    "proj_in",   "to_out.0",     "net.2",     "time_pos_embed.linear_2",
    "conv3",     "downsample.0", "stem.0",    "stem.3",
    "conv1.0",   "conv2.0",      "conv1.0.0", "conv1.0.3",
    "conv2.0.0", "conv2.0.3"};

bool ends_with(const std::string& text, const std::string& ending) {
  return text.size() >= ending.size() &&
         text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

float gain_of(const std::string& name, std::size_t dimensions, float stream_gain) {
  const std::string layer = name.substr(0, name.rfind('.'));
  const bool in_stream =
      std::any_of(kStreamLayers.begin(), kStreamLayers.end(),
                  [&](const std::string& ending) { return ends_with(layer, ending); });
  if (dimensions >= 2) return in_stream ? stream_gain : 1.0F;
  const std::size_t dot = layer.rfind('.');
  const std::string leaf = dot == std::string::npos ? layer : layer.substr(dot + 1);
  return leaf.find("norm") != std::string::npos ? 1.0F : stream_gain;
}

torch::Tensor hashed_weight(const std::string& name, const torch::Tensor& like, float stream_gain) {
  const torch::Tensor values = hashed_values(name, like.numel()).view(like.sizes());
  const bool one_dimensional = like.dim() == 1;
  if (ends_with(name, "running_var")) return (1.0F + 0.5F * values) * stream_gain * stream_gain;
  if (ends_with(name, "weight") && one_dimensional) return 1.0F + 0.5F * values;
  if (ends_with(name, "mix_factor")) return values;
  const float gain = gain_of(name, static_cast<std::size_t>(like.dim()), stream_gain);
  if (one_dimensional) return values * (0.25F * gain);
  const double fan_in = static_cast<double>(like.numel() / like.size(0));
  return values * (static_cast<float>(std::sqrt(3.0 / fan_in)) * gain);
}

}  // namespace

torch::Tensor hashed_values(const std::string& name, std::int64_t count) {
  std::uint64_t key = 0xCBF29CE484222325ULL;  // FNV-1a
  for (const char c : name) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  torch::Tensor values = torch::empty({count});
  float* out = values.data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint64_t x =
        key + static_cast<std::uint64_t>(i + 1) * 0x9E3779B97F4A7C15ULL;  // splitmix64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    x ^= x >> 31;
    out[i] = static_cast<float>(x >> 40) * 0x1p-23F - 1.0F;
  }
  return values;
}

void fill(torch::nn::Module& module, double stream_gain) {
  const torch::NoGradGuard no_grad;
  const auto gain = static_cast<float>(stream_gain);
  const auto set = [&](const std::string& name, torch::Tensor target) {
    if (target.is_floating_point()) target.copy_(hashed_weight(name, target, gain));
  };
  for (const auto& item : module.named_parameters()) set(item.key(), item.value());
  for (const auto& item : module.named_buffers()) set(item.key(), item.value());
}

Fixture::Fixture(const std::string& name)
    : name_(name),
      file_(std::string(ECHOPATH_SOURCE_DIR) + "/tests/fixtures/models/" + name + ".safetensors") {}

double Fixture::stream_gain() const {
  return std::stod(file_.metadata().at("stream_gain"));
}

config::Json Fixture::config_json() const {
  return config::parse_json(file_.metadata().at("config"), name_);
}

void Fixture::expect_state_dict(const torch::nn::Module& module) const {
  const auto listed = config::parse_json(file_.metadata().at("state_dict"), name_)
                          .get<std::map<std::string, std::vector<std::int64_t>>>();
  std::map<std::string, std::vector<std::int64_t>> ours;
  for (const auto& [name, tensor] : state_dict(module)) ours[name] = tensor.sizes().vec();
  EXPECT_EQ(ours, listed) << name_;
}

void Fixture::expect_gradients(torch::nn::Module& module, const torch::Tensor& loss,
                               const std::map<std::string, torch::Tensor>& inputs) const {
  const std::string prefix = "gradient.";
  std::vector<std::string> names;
  std::vector<torch::Tensor> targets;
  const auto parameters = module.named_parameters();
  for (const std::string& key : file_.names()) {
    if (key.rfind(prefix, 0) != 0) continue;
    const std::string name = key.substr(prefix.size());
    const auto input = inputs.find(name);
    names.push_back(name);
    targets.push_back(input != inputs.end() ? input->second : parameters[name]);
  }
  ASSERT_GE(names.size(), 5U) << name_;
  const auto gradients = torch::autograd::grad({loss}, targets);
  for (std::size_t i = 0; i < names.size(); ++i) {
    expect_close(gradients[i], file_.tensor(prefix + names[i]), 1e-3,
                 name_ + ": gradient of " + names[i]);
  }
}

void expect_close(const torch::Tensor& actual, const torch::Tensor& expected, double tolerance,
                  const std::string& what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  EXPECT_LE(relative_error(actual, expected), tolerance) << what;
}

double relative_error(const torch::Tensor& actual, const torch::Tensor& expected) {
  const torch::Tensor reference = expected.to(torch::kDouble);
  return ((actual.to(torch::kDouble) - reference).abs().max() / reference.abs().max())
      .item<double>();
}

torch::Tensor loss_of(const std::string& name, const torch::Tensor& output) {
  const torch::Tensor direction =
      hashed_values("input.direction." + name, output.numel()).view(output.sizes()) * 1.7F;
  return (output * direction).sum();
}

}  // namespace echopath::models::testing
