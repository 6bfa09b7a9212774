#include "echopath/models/classifier.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/data/clips.hpp"

namespace echopath::models {

namespace {

constexpr std::size_t kStages = 4;

template <class Options, class Shape>
Options with_head(const Shape& shape, const ClassifierConfig& config) {
  Options options;
  static_cast<Shape&>(options) = shape;
  options.num_classes = config.num_classes();
  return options;
}

std::variant<VideoResNet, ResNet, SegmentationUNet> network_of(const ClassifierConfig& config) {
  config.check();
  if (config.architecture == "unet") {
    return SegmentationUNet(with_head<SegmentationUNetOptions>(config.unet, config));
  }
  if (config.architecture == "resnet50") {
    auto options = with_head<ResNetOptions>(config.image, config);
    options.dropout = config.dropout;
    return ResNet(options);
  }
  auto options = with_head<VideoResNetOptions>(config.video, config);
  options.convolution = config.architecture == "r3d_18" ? "3d" : "2plus1d";
  options.dropout = config.dropout;
  return VideoResNet(options);
}

void require_depths(const std::vector<std::int64_t>& depths) {
  if (depths.size() == kStages) return;
  throw ConfigError("model.depths has " + std::to_string(depths.size()) +
                    " entries, but a ResNet has four stages");
}

void require_each_channel(const char* key, const std::vector<double>& values,
                          std::int64_t channels) {
  const auto count = static_cast<std::int64_t>(values.size());
  if (count == 1 || count == channels) return;
  throw ConfigError(std::string(key) + " has " + std::to_string(count) +
                    " entries, but model.in_channels is " + std::to_string(channels) +
                    "; give one number, or one for each channel");
}

/// One number for each channel, [C, 1, 1].
torch::Tensor per_channel(const std::vector<double>& values, std::int64_t channels,
                          const torch::TensorOptions& options) {
  return at::tensor(values, at::kDouble).to(options).expand({channels}).view({-1, 1, 1});
}

}  // namespace

void ClipFormat::visit(config::Visitor& v) {
  v.integer("sample_size", sample_size, {8, 4096}, "height and width of the frames");
  v.integer("frames", frames, {1, 4096}, "frames of a clip");
  v.real("fps", fps, {0.1, 1000}, "frame rate that videos are resampled to");
  v.choice("sampling", sampling, {"window", "spread"},
           "neighbouring frames, or frames spread over the whole video (published code)");
  v.reals("mean", mean, {0, 1},
          "subtracted from grey levels in [0, 1]; one number, or one a channel");
  v.reals("std", deviation, {1e-6, 1e6}, "what they are divided by then");
}

std::vector<std::int64_t> ClipFormat::frame_indices(std::int64_t count, double source_fps,
                                                    double start) const {
  const std::vector<std::int64_t> resampled = data::resample_indices(count, source_fps, fps);
  const auto length = static_cast<std::int64_t>(resampled.size());
  const data::Clip clip = data::choose_clip(length, frames, start);
  const double step =
      frames > 1 ? static_cast<double>(length - 1) / static_cast<double>(frames - 1) : 0.0;
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < frames; ++i) {
    std::int64_t place = clip.start + i;
    // numpy.linspace(0, length − 1, frames), whose last value is exact, cut to whole numbers.
    if (sampling == "spread") {
      place = i > 0 && i == frames - 1 ? length - 1
                                       : static_cast<std::int64_t>(static_cast<double>(i) * step);
    }
    indices.push_back(resampled[static_cast<std::size_t>(std::min(place, length - 1))]);
  }
  return indices;
}

std::int64_t ClassifierConfig::in_channels() const {
  if (architecture == "unet") return unet.in_channels;
  return architecture == "resnet50" ? image.in_channels : video.in_channels;
}

void ClassifierConfig::visit(config::Visitor& v) {
  v.choice("task", task, {"classification", "segmentation"},
           "which class a clip shows, or which structure each pixel");
  v.choice("architecture", architecture, {"r3d_18", "r2plus1d_18", "resnet50", "unet"},
           "video ResNets; a ResNet on single frames, probabilities averaged; the U-Net of task "
           "segmentation");
  v.texts("classes", classes, "class names in label order");
  v.nested("clip", clip, "what the network takes of a video");
  v.section(
      "model", [this](config::Visitor& m) { visit_model(m); }, "the network");
}

void ClassifierConfig::visit_model(config::Visitor& v) {
  if (architecture == "unet") {
    unet.visit(v);
    return;
  }
  if (architecture == "resnet50") {
    image.visit(v);
  } else {
    video.visit(v);
  }
  v.real("dropout", dropout, {0, 1}, "dropout of the features before the last layer");
}

void ClassifierConfig::check() const {
  if (is_segmentation() != (architecture == "unet")) {
    throw ConfigError("task is " + task + ", but architecture is " + architecture +
                      "; unet is for segmentation, and the others for classification");
  }
  if (classes.size() < 2) {
    throw ConfigError("classes has " + std::to_string(classes.size()) +
                      (classes.size() == 1 ? " entry" : " entries") +
                      "; list at least two, in label order");
  }
  if (std::set<std::string>(classes.begin(), classes.end()).size() != classes.size()) {
    throw ConfigError("classes has an entry twice; each has one label");
  }
  if (architecture == "unet") {
    unet.check();
  } else {
    require_depths(architecture == "resnet50" ? image.depths : video.depths);
  }
  require_each_channel("clip.mean", clip.mean, in_channels());
  require_each_channel("clip.std", clip.deviation, in_channels());
}

Classifier::Classifier(ClassifierConfig config)
    : config_(std::move(config)), network_(network_of(config_)) {}

std::shared_ptr<torch::nn::Module> Classifier::module() const {
  return std::visit(
      [](const auto& network) -> std::shared_ptr<torch::nn::Module> { return network.ptr(); },
      network_);
}

torch::Tensor Classifier::normalise(const torch::Tensor& clips) const {
  const std::int64_t channels = config_.in_channels();
  torch::TensorOptions options = clips.options();
  if (!clips.is_floating_point()) options = options.dtype(at::kFloat);
  const torch::Tensor mean = per_channel(config_.clip.mean, channels, options);
  const torch::Tensor deviation = per_channel(config_.clip.deviation, channels, options);
  // [B, T, C, H, W]
  const torch::Tensor scaled = (clips.to(options).div(255.0).unsqueeze(2) - mean) / deviation;
  return video() != nullptr ? scaled.transpose(1, 2).contiguous() : scaled.flatten(0, 1);
}

torch::Tensor Classifier::forward(const torch::Tensor& input) const {
  return std::visit([&](auto network) { return network->forward(input); }, network_);
}

torch::Tensor Classifier::log_probabilities(const torch::Tensor& clips) const {
  torch::Tensor logits = forward(normalise(clips));
  if (logits.scalar_type() != at::kDouble) logits = logits.to(at::kFloat);
  const torch::Tensor logs = at::log_softmax(logits, 1);
  if (video() != nullptr) return logs;
  const std::int64_t frames = clips.size(1);
  const torch::Tensor per_clip = logs.unflatten(0, {clips.size(0), frames});
  if (config_.is_segmentation()) return per_clip;
  return at::logsumexp(per_clip, {1}) - std::log(static_cast<double>(frames));
}

torch::Tensor Classifier::features(const torch::Tensor& clips) const {
  const torch::Tensor input = normalise(clips);
  if (const VideoResNet* network = video()) return VideoResNet(*network)->features(input);
  TORCH_CHECK(image() != nullptr, "a segmentation network has no pooled features");
  const torch::Tensor features = ResNet(*image())->features(input);
  return features.unflatten(0, {clips.size(0), clips.size(1)}).mean(1);
}

std::string head_prefix(const ClassifierConfig& config) {
  return config.is_segmentation() ? "conv_out." : "fc.";
}

}  // namespace echopath::models
