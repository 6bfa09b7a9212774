#include "echopath/evaluation/detector.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/text.hpp"
#include "echopath/models/model_directory.hpp"
#include "evaluation/detectors.hpp"

namespace echopath::evaluation {
namespace {

void require_input(const DetectorDescription& detector, const at::Tensor& clips) {
  TORCH_CHECK(
      clips.dim() == 5 && clips.scalar_type() == at::kByte && clips.size(2) == detector.channels,
      "a detector takes bytes [B, T, C, H, W], not ", clips.sizes());
  const std::int64_t size = detector.frame_size;
  if (size != 0 && (clips.size(3) != size || clips.size(4) != size)) {
    throw DataError("detector '" + detector.name + "' takes frames of " + std::to_string(size) +
                    "x" + std::to_string(size) + ", these are " + std::to_string(clips.size(4)) +
                    "x" + std::to_string(clips.size(3)) + "; `echopath import --size " +
                    std::to_string(size) + "` makes such videos");
  }
  if (clips.size(1) < detector.least_frames) {
    throw DataError("detector '" + detector.name + "' takes clips of at least " +
                    std::to_string(detector.least_frames) + " frames, not of " +
                    std::to_string(clips.size(1)) + "; ask for more by --frames");
  }
}

at::Tensor table(const at::Tensor& values, std::int64_t rows, std::int64_t width,
                 const DetectorDescription& detector, const std::string& what) {
  if (!values.defined() || values.dim() != 2 || values.size(0) != rows || values.size(1) != width) {
    std::string sizes;
    for (std::int64_t i = 0; values.defined() && i < values.dim(); ++i) {
      sizes += (i == 0 ? "" : ", ") + std::to_string(values.size(i));
    }
    throw DataError("detector '" + detector.name + "' gives " + what + " of shape [" + sizes +
                    "] where [" + std::to_string(rows) + ", " + std::to_string(width) +
                    "] were expected; it is not made for this metric");
  }
  return values.detach().to(at::kCPU, at::kFloat).contiguous();
}

/// Classifiers that suit: segmentation networks have no features, and those that look at clips
/// serve clips only.
std::vector<std::string> usable_classifiers(const models::ModelDirectory& model, bool clips) {
  std::vector<std::string> names;
  for (const std::string& name : model.classifiers()) {
    const models::Classifier classifier = model.load_classifier(name, at::kCPU);
    if (classifier.config().is_segmentation()) continue;
    if (clips || classifier.image() != nullptr) names.push_back(name);
  }
  return names;
}

std::unique_ptr<Detector> in_domain_detector(const DetectorOptions& options) {
  const auto model = models::ModelDirectory::open(options.model);
  const std::vector<std::string> known = usable_classifiers(model, options.clips);
  if (known.empty()) {
    throw DataError("'" + options.model.string() + "' has no classifier to take features of " +
                    (options.clips ? "clips" : "frames") +
                    " from; train one with `echopath train "
                    "classifier`, or give a detector's file by --detector");
  }
  if (options.what == "in-domain") return make_classifier_detector(known, options);
  for (const std::string& name : split(options.what, '+')) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string nearest = nearest_name(name, known);
    throw UsageError("detector " + quoted_text(name) +
                     " is neither a file nor a classifier of the model directory for " +
                     (options.clips ? "clips; " : "frames; ") +
                     (nearest.empty() ? "there are in-domain, " + join(known, ", ")
                                      : "did you mean '" + nearest + "'?"));
  }
  return make_classifier_detector(split(options.what, '+'), options);
}

}  // namespace

DetectorOutput Detector::run(const at::Tensor& clips, bool probabilities) {
  require_input(description_, clips);
  TORCH_CHECK(!probabilities || description_.classes > 0, "this detector knows no classes");
  const at::NoGradGuard no_gradients;
  DetectorOutput output = compute(clips, probabilities);
  output.features =
      table(output.features, clips.size(0), description_.width, description_, "features");
  if (probabilities) {
    output.log_probabilities = table(output.log_probabilities, clips.size(0), description_.classes,
                                     description_, "class probabilities");
  }
  return output;
}

std::unique_ptr<Detector> make_detector(const DetectorOptions& options) {
  const std::string extension = to_lower(fs::path(options.what).extension().string());
  const bool weights = extension == ".pth" || extension == ".safetensors";
  if (weights && options.clips) {
    throw UsageError("detector '" + options.what +
                     "' holds weights of the Inception network, which looks at single frames; for "
                     "clips give a TorchScript file (.pt), or in-domain");
  }
  if (weights) return make_inception_detector(options);
  if (extension == ".pt") return make_torchscript_detector(options);
  return in_domain_detector(options);
}

at::Tensor clip_features(const at::Tensor& frame_features) {
  TORCH_CHECK(frame_features.dim() == 3 && frame_features.size(1) >= 2,
              "clip features need [B, T, D] with two frames or more");
  const at::Tensor change = frame_features.diff(1, /*dim=*/1);
  return at::cat({frame_features.mean(1), frame_features.std(1, /*unbiased=*/false),
                  change.abs().mean(1), change.std(1, /*unbiased=*/false)},
                 1);
}

}  // namespace echopath::evaluation
