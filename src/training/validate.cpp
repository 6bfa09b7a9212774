#include "training/validate.hpp"

#include <set>

#include "echopath/core/errors.hpp"

namespace echopath::training {
namespace {

constexpr std::int64_t kImageChannels = 3;  // a grey frame, three times
constexpr std::size_t kReidStages = 4;

/// Throws ConfigError("<key> is <value>, but <demand>") unless they are equal.
void require_equal(const char* key, std::int64_t value, std::int64_t wanted,
                   const std::string& demand) {
  if (value == wanted) return;
  throw ConfigError(std::string(key) + " is " + std::to_string(value) + ", but " + demand);
}

void validate_classes(const LatentDataOptions& data) {
  if (data.classes.empty()) {
    throw ConfigError("data.classes is empty; list the class names in the order of their ids");
  }
  std::set<std::string> seen;
  for (const std::string& name : data.classes) {
    if (!seen.insert(name).second) {
      throw ConfigError("data.classes lists '" + name + "' twice; each class has one id");
    }
  }
}

/// The embedding gives every class of the data a token as wide as the network's context.
void validate_conditioning(const models::ClassEmbeddingConfig& embedding,
                           const LatentDataOptions& data,
                           const std::vector<std::int64_t>& context_widths) {
  const auto classes = static_cast<std::int64_t>(data.classes.size());
  require_equal("class_embedding.num_classes", embedding.num_classes, classes,
                "data.classes lists " + std::to_string(classes) + "; the two must agree");
  const bool scalar = embedding.mode == "scalar";
  for (const std::int64_t width : context_widths) {
    require_equal("model.cross_attention_dim", width, scalar ? 1 : embedding.width,
                  scalar ? "class_embedding.mode scalar makes a context of width 1; set it to 1"
                         : "class_embedding.width is " + std::to_string(embedding.width) +
                               "; the two must agree");
  }
}

template <class Model>
void validate_image_model(const Model& model) {
  model.check();
  require_equal("model.in_channels", model.in_channels, model.out_channels,
                "model.out_channels is " + std::to_string(model.out_channels) +
                    "; both are the channels of a latent");
}

}  // namespace

void validate(const VaeOptions& options) {
  models::AutoencoderKLConfig model = options.model;
  model.complete();
  const std::string demand = "frames have three channels (grey, repeated); set it to 3";
  require_equal("model.in_channels", model.in_channels, kImageChannels, demand);
  require_equal("model.out_channels", model.out_channels, kImageChannels, demand);
  const std::int64_t factor = std::int64_t{1} << (model.block_out_channels.size() - 1);
  if (model.sample_size % factor != 0) {
    throw ConfigError("model.sample_size is " + std::to_string(model.sample_size) +
                      ", but model.block_out_channels has " +
                      std::to_string(model.block_out_channels.size()) +
                      " blocks, which need a multiple of " + std::to_string(factor));
  }
  if (options.l1_pooling > model.sample_size) {
    throw ConfigError("loss.l1_pooling is " + std::to_string(options.l1_pooling) +
                      ", more than model.sample_size, " + std::to_string(model.sample_size));
  }
}

void validate(const LidmOptions& options) {
  validate_classes(options.data);
  if (options.architecture == "UNet2DModel") {
    validate_image_model(options.unconditional);
    return;
  }
  validate_image_model(options.conditional);
  validate_conditioning(options.class_embedding, options.data,
                        options.conditional.cross_attention_dim);
}

void validate(const LvdmOptions& options) {
  validate_classes(options.data);
  options.model.check();
  require_equal("model.in_channels", options.model.in_channels, 2 * options.model.out_channels,
                "model.out_channels is " + std::to_string(options.model.out_channels) +
                    "; it takes the noisy frames and the given ones, twice as many channels");
  validate_conditioning(options.class_embedding, options.data, options.model.cross_attention_dim);
  if (options.context_frames >= options.block_length) {
    throw ConfigError("context_frames is " + std::to_string(options.context_frames) +
                      ", but must be less than block_length, " +
                      std::to_string(options.block_length) +
                      ": a block must have frames left to make");
  }
}

void validate(const ReidOptions& options) {
  if (options.model.depths.size() != kReidStages) {
    throw ConfigError("model.depths has " + std::to_string(options.model.depths.size()) +
                      " entries, but a ResNet has four stages");
  }
}

}  // namespace echopath::training
