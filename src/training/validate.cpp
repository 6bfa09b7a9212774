#include "training/validate.hpp"

#include <algorithm>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/diffusion/loss_weighting.hpp"
#include "echopath/models/heart_cycle.hpp"
#include "echopath/models/model_directory.hpp"

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

/// The same for the length of a list.
void require_entries(const char* key, std::size_t count, std::size_t wanted,
                     const std::string& demand) {
  if (count == wanted) return;
  throw ConfigError(std::string(key) + " has " + std::to_string(count) +
                    (count == 1 ? " entry" : " entries") + ", but " + demand);
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
  if (embedding.source == "ef" && !scalar) {
    throw ConfigError("class_embedding.source is ef, a number, but class_embedding.mode is " +
                      embedding.mode + "; set the mode to scalar or the source to class");
  }
  for (const std::int64_t width : context_widths) {
    require_equal("model.cross_attention_dim", width, scalar ? 1 : embedding.width,
                  scalar ? "class_embedding.mode scalar makes a context of width 1; set it to 1"
                         : "class_embedding.width is " + std::to_string(embedding.width) +
                               "; the two must agree");
  }
}

void validate_objective(const ObjectiveOptions& objective) {
  if (objective.loss_weighting != "min_snr") return;
  if (diffusion::has_min_snr_weights(objective.schedule)) return;
  throw ConfigError("diffusion.loss_weighting is min_snr, which is not defined for " +
                    objective.schedule.prediction_type +
                    "; set it to uniform, or diffusion.prediction_type to epsilon, v_prediction or "
                    "sample");
}

template <class Model>
void validate_image_model(const Model& model) {
  model.check();
  require_equal("model.in_channels", model.in_channels, model.out_channels,
                "model.out_channels is " + std::to_string(model.out_channels) +
                    "; both are the channels of a latent");
}

/// Batch normalisation needs more than one value of each channel. The last stage of a ResNet has
/// the fewest: 1/16 of a video's side and 1/8 of its frames, 1/32 of an image's side.
void validate_batch_norm(const ClassifierOptions& options) {
  const models::ClassifierConfig& model = options.model;
  if (model.is_segmentation()) return;
  const auto part = [](std::int64_t size, std::int64_t of) { return (size + of - 1) / of; };
  const bool single_frames = model.architecture == "resnet50";
  const std::int64_t side = part(model.clip.sample_size, single_frames ? 32 : 16);
  const std::int64_t frames = single_frames ? model.clip.frames : part(model.clip.frames, 8);
  const LoopOptions& loop = options.training;
  const std::int64_t micro = loop.micro_batch_size > 0
                                 ? std::min(loop.micro_batch_size, loop.batch_size)
                                 : loop.batch_size;
  const std::int64_t rest = loop.batch_size % micro;
  if ((rest > 0 ? rest : micro) * side * side * frames > 1) return;
  throw ConfigError(
      "training.batch_size, training.micro_batch_size, clip.sample_size and clip.frames leave a "
      "forward pass with one value for each channel of the last stage, and batch normalisation "
      "needs more; raise one of them");
}

void validate_class_weights(const ClassifierOptions& options) {
  const bool given = options.class_weights == "given";
  if (options.model.is_segmentation() && options.class_weights == "balanced") {
    throw ConfigError(
        "loss.class_weights is balanced, but task is segmentation, where the Dice loss sees to "
        "small structures; choose none or given");
  }
  const std::size_t classes = options.network().classes.size();
  require_entries("loss.class_weight_list", options.class_weight_list.size(), given ? classes : 0,
                  given ? "there are " + std::to_string(classes) + " classes; give each a weight"
                        : "loss.class_weights is " + options.class_weights +
                              "; leave the list empty, or set loss.class_weights to given");
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
  if (options.perceptual_weight > 0 && options.perceptual_model.empty()) {
    throw ConfigError(
        "loss.perceptual_weight is above 0, but loss.perceptual_model names no model directory "
        "with a classifier");
  }
  if (options.l1_pooling > model.sample_size) {
    throw ConfigError("loss.l1_pooling is " + std::to_string(options.l1_pooling) +
                      ", more than model.sample_size, " + std::to_string(model.sample_size));
  }
}

void validate(const LidmOptions& options) {
  validate_classes(options.data);
  validate_objective(options.diffusion);
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
  validate_objective(options.diffusion);
  options.model.check();
  const bool phase = options.heart_cycle_conditioning;
  require_equal("model.in_channels", options.model.in_channels,
                2 * options.model.out_channels + (phase ? models::kPhaseChannels : 0),
                "model.out_channels is " + std::to_string(options.model.out_channels) +
                    "; it takes the noisy frames and the given ones, twice as many channels" +
                    (phase ? ", and two of the heart's phase (heart_cycle_conditioning)"
                           : " (heart_cycle_conditioning takes two more)"));
  validate_conditioning(options.class_embedding, options.data, options.model.cross_attention_dim);
  if (options.held_frame == "heart_frame" && options.compatibility.reference_frame == "random") {
    throw ConfigError(
        "held_frame is heart_frame, but compatibility.reference_frame is random, which "
        "gives any frame throughout the clip; leave one of them out");
  }
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

void validate(const ClassifierOptions& options) {
  const ClassifierDataOptions& data = options.data;
  const models::ClassifierConfig network = options.network();
  if (network.classes.size() < 2) {
    throw ConfigError("data.classes has " + std::to_string(network.classes.size()) +
                      (network.classes.size() == 1 ? " entry" : " entries") +
                      "; list the classes to tell apart, in the order of their labels");
  }
  network.check();
  validate_batch_norm(options);
  require_entries("data.extra_ratios", data.extra_ratios.size(), data.extra_datasets.size(),
                  "data.extra_datasets lists " + std::to_string(data.extra_datasets.size()) +
                      "; give each a ratio");
  if (!data.validation_dataset.empty() && data.validation_fraction > 0) {
    throw ConfigError(
        "data.validation_dataset and data.validation_fraction are both given; choose one");
  }
  validate_class_weights(options);
  if (network.is_segmentation() && options.selection == "auc") {
    throw ConfigError(
        "selection is auc, but task is segmentation; choose loss, or accuracy for the mean Dice "
        "coefficient");
  }
  if (!models::may_name_classifier(options.component)) {
    throw ConfigError("output.component is '" + options.component +
                      "', which names another network or is no plain folder name; use letters, "
                      "digits, _ and -, such as classifier_asd");
  }
  const std::set<std::string> bare = {"resnet50", "r3d_18", "r2plus1d_18"};
  const std::string from = options.init_component();
  if (!bare.contains(from) && !models::may_name_classifier(from)) {
    throw ConfigError("init.component is '" + from +
                      "', which is no classifier; name the folder of one, or resnet50, r3d_18 or "
                      "r2plus1d_18");
  }
}

}  // namespace echopath::training
