#include <set>

#include "echopath/core/text.hpp"
#include "models/network_plan.hpp"

namespace echopath::models {

namespace {

/// Sizes that can be read off the shapes of a state dict. What it lacks is left out of the config,
/// so that the comparison with the network names the missing tensor.
class Shapes {
 public:
  explicit Shapes(const TensorSpecs& specs) : specs_(specs) {}

  bool has(const std::string& key) const { return specs_.count(key) > 0; }

  /// Sets `json[name]` to the size of a tensor along one axis, over `divisor`.
  void read(config::Json& json, const char* name, const std::string& key, std::size_t axis,
            std::int64_t divisor = 1) const {
    const auto found = specs_.find(key);
    if (found == specs_.end() || found->second.shape.size() <= axis) return;
    json[name] = found->second.shape[axis] / divisor;
  }

  /// How many different names stand directly behind `prefix`.
  std::int64_t count(const std::string& prefix) const {
    std::set<std::string> names;
    for (auto place = specs_.lower_bound(prefix);
         place != specs_.end() && place->first.starts_with(prefix); ++place) {
      names.insert(split(place->first.substr(prefix.size()), '.').front());
    }
    return static_cast<std::int64_t>(names.size());
  }

 private:
  const TensorSpecs& specs_;
};

config::Json infer_vae(const Shapes& shapes) {
  config::Json json = config::Json::object();
  shapes.read(json, "in_channels", "encoder.conv_in.weight", 1);
  shapes.read(json, "out_channels", "decoder.conv_out.weight", 0);
  shapes.read(json, "latent_channels", "encoder.conv_out.weight", 0, 2);
  config::Json channels = config::Json::array();
  for (std::int64_t i = 0; i < shapes.count("encoder.down_blocks."); ++i) {
    config::Json block;
    shapes.read(block, "channels",
                "encoder.down_blocks." + std::to_string(i) + ".resnets.0.conv2.weight", 0);
    if (!block.is_null()) channels.push_back(block["channels"]);
  }
  if (!channels.empty()) json["block_out_channels"] = channels;
  const std::int64_t layers = shapes.count("encoder.down_blocks.0.resnets.");
  if (layers > 0) json["layers_per_block"] = layers;
  json["use_quant_conv"] = shapes.has("quant_conv.weight");
  json["use_post_quant_conv"] = shapes.has("post_quant_conv.weight");
  json["mid_block_add_attention"] = shapes.count("encoder.mid_block.attentions.") > 0;
  return json;
}

config::Json infer_unet(const Shapes& shapes, bool conditional) {
  config::Json json = config::Json::object();
  shapes.read(json, "in_channels", "conv_in.weight", 1);
  shapes.read(json, "out_channels", "conv_out.weight", 0);
  if (conditional) {
    shapes.read(json, "cross_attention_dim",
                "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight", 1);
  }
  return json;
}

/// Blocks per stage behind `prefix`, and what torchvision's names tell of them.
config::Json infer_resnet(const Shapes& shapes, const std::string& prefix) {
  config::Json json = config::Json::object();
  shapes.read(json, "in_channels", prefix + "conv1.weight", 1);
  shapes.read(json, "width", prefix + "conv1.weight", 0);
  json["block"] = shapes.has(prefix + "layer1.0.conv3.weight") ? "bottleneck" : "basic";
  return json;
}

void infer_depths(config::Json& json, const Shapes& shapes, const std::string& prefix) {
  config::Json depths = config::Json::array();
  for (int stage = 1; stage <= 4; ++stage) {
    const std::int64_t blocks = shapes.count(prefix + "layer" + std::to_string(stage) + ".");
    if (blocks > 0) depths.push_back(blocks);
  }
  if (depths.size() == 4) json["depths"] = depths;
}

config::Json infer_video_resnet(const Shapes& shapes) {
  config::Json json = config::Json::object();
  const bool factored = shapes.has("stem.3.weight");
  json["convolution"] = factored ? "2plus1d" : "3d";
  shapes.read(json, "in_channels", "stem.0.weight", 1);
  shapes.read(json, "width", factored ? "stem.3.weight" : "stem.0.weight", 0);
  shapes.read(json, "num_classes", "fc.weight", 0);
  infer_depths(json, shapes, "");
  return json;
}

}  // namespace

config::Json infer_config(const std::string& class_name, const TensorSpecs& specs) {
  const Shapes shapes(specs);
  if (class_name == "AutoencoderKL") return infer_vae(shapes);
  if (class_name == "VideoResNet") return infer_video_resnet(shapes);
  if (class_name == "ResNet") {
    config::Json json = infer_resnet(shapes, "");
    infer_depths(json, shapes, "");
    shapes.read(json, "num_classes", "fc.weight", 0);
    return json;
  }
  if (class_name == "ReIdNet") {
    config::Json json = infer_resnet(shapes, "model.");
    infer_depths(json, shapes, "model.");
    shapes.read(json, "embedding_dim", "model.fc.weight", 0);
    return json;
  }
  return infer_unet(shapes, class_name != "UNet2DModel");
}

std::string inferred_assumption(const std::string& class_name) {
  if (class_name == "AutoencoderKL") {
    return "no config.json: the sizes are those of the weights; norm_num_groups 32 and "
           "scaling_factor 0.18215 are assumed (state others with --config)";
  }
  if (class_name.starts_with("UNet")) {
    return "no config.json: the published network is assumed, with the weights' channels (state "
           "another with --config)";
  }
  return "";
}

}  // namespace echopath::models
