#include "models/network_config.hpp"

#include <algorithm>

#include "echopath/core/text.hpp"
#include "models/foreign_json.hpp"

namespace echopath::models {

namespace {

/// What diffusers 0.42.1 takes for a key that a config.json lacks, where that differs from our
/// defaults: tests/fixtures/models/diffusers_defaults.json holds all of them. A VAE's block types
/// are left to its channels.
const config::Json& diffusers_defaults() {
  static const config::Json kDefaults = {
      {"AutoencoderKL",
       {{"block_out_channels", {64}}, {"layers_per_block", 1}, {"sample_size", 32}}},
      {"UNet2DModel",
       {{"sample_size", nullptr},
        {"in_channels", 3},
        {"out_channels", 3},
        {"down_block_types",
         {"DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"}},
        {"up_block_types", {"AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"}},
        {"block_out_channels", {224, 448, 672, 896}},
        {"downsample_type", "conv"},
        {"upsample_type", "conv"}}},
      {"UNet2DConditionModel",
       {{"sample_size", nullptr},
        {"down_block_types",
         {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"}},
        {"up_block_types",
         {"UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"}},
        {"block_out_channels", {320, 640, 1280, 1280}},
        {"cross_attention_dim", 1280}}},
      {"UNetSpatioTemporalConditionModel",
       {{"sample_size", nullptr},
        {"block_out_channels", {320, 640, 1280, 1280}},
        {"addition_time_embed_dim", 256},
        {"projection_class_embeddings_input_dim", 768},
        {"cross_attention_dim", 1024},
        {"num_attention_heads", {5, 10, 20, 20}},
        {"num_frames", 25}}}};
  return kDefaults;
}

}  // namespace

config::Json read_network_config(const std::filesystem::path& path) {
  config::Json config = read_foreign_json(path);
  if (!config.is_object()) throw DataError(path.string() + ": expected a JSON object");
  return config;
}

std::string class_name_of(const config::Json& config, const std::string& source) {
  const auto name = config.find("_class_name");
  if (name == config.end()) return {};
  if (!name->is_string()) {
    throw ConfigError(source + ": _class_name is " + one_line(name->dump()) +
                      "; expected the name of a class in quotes");
  }
  return name->get<std::string>();
}

void apply_network_config(const config::Json& config, const config::VisitFunction& options,
                          const std::string& source) {
  require_known_metadata(config, source);
  const auto defaults = diffusers_defaults().find(class_name_of(config, source));
  if (defaults != diffusers_defaults().end()) config::apply(*defaults, options, source);
  config::apply(config, options, source);
}

config::Json complete_config(const config::Json& read, const config::VisitFunction& options) {
  config::Json config = config::dump(options);
  for (const config::OptionDescription& option : config::describe(options)) {
    const auto given = read.find(option.key);
    if (option.type == "without effect" && given != read.end()) config[option.key] = *given;
  }
  return config;
}

void require_known_metadata(const config::Json& config, const std::string& source) {
  static const std::vector<std::string> kKnown = {"_class_name",   "_diffusers_version",
                                                  "_name_or_path", "_use_default_values",
                                                  "_commit_hash",  "_auto_class"};
  for (const auto& [key, value] : config.items()) {
    if (!key.starts_with('_') || std::find(kKnown.begin(), kKnown.end(), key) != kKnown.end()) {
      continue;
    }
    const std::string nearest = nearest_name(key, kKnown);
    throw ConfigError(source + ": " + one_line(key) + ": unknown key" +
                      (nearest.empty() ? "; of those that begin with _ known: " + join(kKnown, ", ")
                                       : "; did you mean '" + nearest + "'?"));
  }
}

}  // namespace echopath::models
