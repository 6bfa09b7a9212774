#include <torch/torch.h>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/models/model_directory.hpp"
#include "evaluation/detectors.hpp"

namespace echopath::evaluation {
namespace {

/// A clip network sees this many frames or more, whatever it was trained on: its pooling over time
/// takes any number.
constexpr std::int64_t kLeastFrames = 2;

/// Weight and bias of the last layer, found by name.
struct LastLayer {
  at::Tensor weight, bias;
};

LastLayer last_layer(const models::Classifier& classifier) {
  const auto parameters = classifier.module()->named_parameters();
  return {parameters["fc.weight"], parameters["fc.bias"]};
}

/// The features before the last layer of one or several classifiers, side by side. Probabilities
/// are those of every combination of their classes, taken as independent: two classifiers of two
/// classes have four.
class ClassifierDetector : public Detector {
 public:
  ClassifierDetector(const std::vector<std::string>& names, const DetectorOptions& options)
      : device_(options.device) {
    const auto model = models::ModelDirectory::open(options.model);
    std::string hashes;
    for (const std::string& name : names) {
      classifiers_.push_back(model.load_classifier(name, options.device));
      layers_.push_back(last_layer(classifiers_.back()));
      hashes += model.component_hash(name);
    }
    description_.name = "in-domain " + join(names, "+") + (options.clips ? ", clips" : ", frames");
    description_.hash = names.size() == 1 ? hashes : sha256_hex(hashes);
    description_.takes_clips = options.clips;
    description_.classes = 1;
    for (std::size_t i = 0; i < classifiers_.size(); ++i) add_to_description(i);
    if (options.clips) description_.least_frames = kLeastFrames;
  }

 private:
  void add_to_description(std::size_t index) {
    const models::ClassifierConfig& config = classifiers_[index].config();
    const bool single_frames = classifiers_[index].image() != nullptr;
    const std::int64_t size = config.clip.sample_size;
    if (description_.frame_size != 0 && description_.frame_size != size) {
      throw UsageError("the classifiers '" + description_.name +
                       "' take frames of different sizes; name one of them by --detector");
    }
    description_.frame_size = size;
    const std::int64_t features = layers_[index].weight.size(1);
    description_.width += features * (single_frames && description_.takes_clips ? 4 : 1);
    description_.classes *= config.num_classes();
  }

  /// Features of clips [B, T, H, W], and of their frames where the network looks at single ones.
  struct Features {
    at::Tensor clip, frame;
  };

  Features features_of(std::size_t index, const at::Tensor& clips) const {
    const models::Classifier& classifier = classifiers_[index];
    const models::ResNet* image = classifier.image();
    if (image == nullptr) return {classifier.features(clips), {}};
    const at::Tensor frames = models::ResNet(*image)
                                  ->features(classifier.normalise(clips))
                                  .unflatten(0, {clips.size(0), clips.size(1)});
    return {description_.takes_clips ? clip_features(frames) : frames.squeeze(1), frames};
  }

  /// [B, K]: over the frames of a clip the mean of the probabilities, as the classifier has it.
  at::Tensor log_probabilities(std::size_t index, const Features& features) const {
    const LastLayer& layer = layers_[index];
    if (!features.frame.defined()) {
      return at::log_softmax(at::linear(features.clip, layer.weight, layer.bias), 1);
    }
    const at::Tensor logs =
        at::log_softmax(at::linear(features.frame, layer.weight, layer.bias), 2);
    return at::logsumexp(logs, {1}) - std::log(static_cast<double>(logs.size(1)));
  }

  DetectorOutput compute(const at::Tensor& clips, bool probabilities) override {
    const at::Tensor grey = clips.squeeze(2).to(device_);
    std::vector<at::Tensor> features;
    at::Tensor joint;
    for (std::size_t i = 0; i < classifiers_.size(); ++i) {
      const Features made = features_of(i, grey);
      features.push_back(made.clip);
      if (!probabilities) continue;
      const at::Tensor logs = log_probabilities(i, made);
      joint = joint.defined() ? (joint.unsqueeze(2) + logs.unsqueeze(1)).flatten(1) : logs;
    }
    return {at::cat(features, 1), joint};
  }

  at::Device device_;
  std::vector<models::Classifier> classifiers_;
  std::vector<LastLayer> layers_;
};

}  // namespace

std::unique_ptr<Detector> make_classifier_detector(const std::vector<std::string>& classifiers,
                                                   const DetectorOptions& options) {
  return std::make_unique<ClassifierDetector>(classifiers, options);
}

}  // namespace echopath::evaluation
