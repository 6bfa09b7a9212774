#include "models/recognise.hpp"

#include <algorithm>
#include <array>

namespace echopath::models {

namespace {

/// What training scripts wrap a state dict in.
constexpr std::array<const char*, 7> kWrappings = {
    "state_dict.", "model_state_dict.", "model.", "module.", "net.",
    "network.",    "first_stage_model."};
constexpr int kMaxWrappings = 3;

/// The names of a state dict behind a prefix.
class Names {
 public:
  Names(const TensorSpecs& specs, std::string prefix) : specs_(specs), prefix_(std::move(prefix)) {}

  bool has(const std::string& name) const { return specs_.count(prefix_ + name) > 0; }
  /// Whether a name starts with `start`.
  bool any(const std::string& start) const {
    const std::string whole = prefix_ + start;
    const auto place = specs_.lower_bound(whole);
    return place != specs_.end() && place->first.starts_with(whole);
  }
  /// Whether a name starts with `start` and contains `part`.
  bool any_with(const std::string& start, const std::string& part) const {
    const std::string whole = prefix_ + start;
    for (auto place = specs_.lower_bound(whole);
         place != specs_.end() && place->first.starts_with(whole); ++place) {
      if (place->first.find(part, whole.size()) != std::string::npos) return true;
    }
    return false;
  }

 private:
  const TensorSpecs& specs_;
  std::string prefix_;
};

std::optional<Recognised> recognise_behind(const TensorSpecs& specs, const std::string& prefix) {
  const Names names(specs, prefix);
  const auto result = [&](const char* class_name, bool latent_diffusion_names = false) {
    return Recognised{class_name, prefix, latent_diffusion_names};
  };
  if (names.any("stem.0.") && names.any("layer1.0.conv1.0.")) return result("VideoResNet");
  if (names.any("fc_end.") && names.any("model.layer1.0.")) return result("ReIdNet");
  if (names.has("conv1.weight") && names.any("layer1.0.conv1.")) return result("ResNet");
  if (names.any("encoder.down_blocks.") || names.any("decoder.up_blocks.")) {
    return result("AutoencoderKL");
  }
  if (names.any("encoder.down.") || names.any("decoder.up.")) {
    return result("AutoencoderKL", true);
  }
  if (!names.any("time_embedding.") || !names.any("down_blocks.")) return std::nullopt;
  if (names.any_with("down_blocks.", ".spatial_res_block.")) {
    return result("UNetSpatioTemporalConditionModel");
  }
  const bool conditional = names.any_with("mid_block.", ".transformer_blocks.") ||
                           names.any_with("down_blocks.", ".transformer_blocks.");
  return result(conditional ? "UNet2DConditionModel" : "UNet2DModel");
}

}  // namespace

std::optional<Recognised> recognise(const TensorSpecs& specs) {
  std::vector<std::string> prefixes = {""};
  for (int depth = 0; depth <= kMaxWrappings; ++depth) {
    for (const std::string& prefix : prefixes) {
      if (auto found = recognise_behind(specs, prefix)) return found;
    }
    std::vector<std::string> longer;
    for (const std::string& prefix : prefixes) {
      for (const char* wrapping : kWrappings) {
        if (Names(specs, prefix).any(wrapping)) longer.push_back(prefix + wrapping);
      }
    }
    prefixes = std::move(longer);
  }
  return std::nullopt;
}

}  // namespace echopath::models
