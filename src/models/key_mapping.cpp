#include <charconv>
#include <map>

#include "echopath/core/text.hpp"
#include "models/recognise.hpp"

namespace echopath::models {

namespace {

using Parts = std::vector<std::string>;

/// attentions.N.{query,key,value,proj_attn}, as diffusers wrote before 0.13.
void rename_legacy_attention(Parts& parts) {
  static const std::map<std::string, std::string> kNames = {
      {"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"}, {"proj_attn", "to_out.0"}};
  if (parts.size() < 4 || parts[parts.size() - 4] != "attentions") return;
  std::string& name = parts[parts.size() - 2];
  const auto found = kNames.find(name);
  if (found != kNames.end()) name = found->second;
}

/// encoder/decoder.mid of the original latent-diffusion code; `rest` are the parts behind it.
std::string mid_block_name(const Parts& rest) {
  static const std::map<std::string, std::string> kBlocks = {
      {"block_1", "resnets.0"}, {"block_2", "resnets.1"}, {"attn_1", "attentions.0"}};
  static const std::map<std::string, std::string> kAttention = {{"norm", "group_norm"},
                                                                {"q", "to_q"},
                                                                {"k", "to_k"},
                                                                {"v", "to_v"},
                                                                {"proj_out", "to_out.0"}};
  Parts parts = rest;
  const auto block = kBlocks.find(parts[0]);
  if (block != kBlocks.end()) parts[0] = block->second;
  const auto attention =
      parts.size() > 1 && rest[0] == "attn_1" ? kAttention.find(parts[1]) : kAttention.end();
  if (attention != kAttention.end()) parts[1] = attention->second;
  return "mid_block." + join(parts, ".");
}

/// A name of the original latent-diffusion VAE (Rombach et al., 2022) in diffusers' words. Its
/// decoder counts the resolutions from the finest, diffusers from the coarsest.
std::string from_latent_diffusion(Parts parts, std::size_t decoder_levels) {
  const bool sided = parts.size() > 2 && (parts[0] == "encoder" || parts[0] == "decoder");
  if (!sided) return join(parts, ".");
  for (std::string& part : parts) {
    if (part == "nin_shortcut") part = "conv_shortcut";
  }
  if (parts[1] == "norm_out") parts[1] = "conv_norm_out";
  if (parts[1] == "mid") {
    return parts[0] + "." + mid_block_name(Parts(parts.begin() + 2, parts.end()));
  }
  const bool down = parts[1] == "down";
  if ((!down && parts[1] != "up") || parts.size() < 5) return join(parts, ".");
  parts[1] = down ? "down_blocks" : "up_blocks";
  if (!down) {
    std::size_t level = decoder_levels;
    std::from_chars(parts[2].data(), parts[2].data() + parts[2].size(), level);
    if (level < decoder_levels) parts[2] = std::to_string(decoder_levels - 1 - level);
  }
  if (parts[3] == "block") parts[3] = "resnets";
  if (parts[3] == "downsample") parts[3] = "downsamplers.0";
  if (parts[3] == "upsample") parts[3] = "upsamplers.0";
  return join(parts, ".");
}

/// How many numbers stand behind `prefix`.
std::size_t levels_behind(const TensorSpecs& specs, const std::string& prefix) {
  std::size_t levels = 0;
  const auto present = [&](std::size_t level) {
    const std::string start = prefix + std::to_string(level) + ".";
    const auto place = specs.lower_bound(start);
    return place != specs.end() && place->first.starts_with(start);
  };
  while (present(levels)) ++levels;
  return levels;
}

}  // namespace

KeyMapping map_keys(const TensorSpecs& specs, const Recognised& recognised) {
  const std::string& prefix = recognised.prefix;
  const std::size_t decoder_levels = levels_behind(specs, prefix + "decoder.up.");
  const bool classifier =
      recognised.class_name == "ResNet" || recognised.class_name == "VideoResNet";
  KeyMapping mapping;
  for (const auto& [key, spec] : specs) {
    const bool discriminator =
        recognised.class_name == "AutoencoderKL" && key.starts_with(prefix + "loss.");
    if (!key.starts_with(prefix) || discriminator) {
      mapping.left_out.push_back(key);
      continue;
    }
    std::string name = key.substr(prefix.size());
    if (recognised.latent_diffusion_names) {
      name = from_latent_diffusion(split(name, '.'), decoder_levels);
    } else if (classifier && name.starts_with("fc.1.")) {
      name = "fc." + name.substr(5);
    } else {
      Parts parts = split(name, '.');
      rename_legacy_attention(parts);
      name = join(parts, ".");
    }
    mapping.moves.push_back({key, name});
  }
  return mapping;
}

}  // namespace echopath::models
