#include <torch/torch.h>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/models/inception_v3.hpp"
#include "evaluation/detectors.hpp"

namespace echopath::evaluation {
namespace {

models::InceptionResize parse_resize(const std::string& name) {
  if (name == "tensorflow1") return models::InceptionResize::kTensorFlow1;
  if (name == "clean") return models::InceptionResize::kClean;
  if (name == "antialias") return models::InceptionResize::kAntialias;
  throw UsageError("resize '" + name + "' is unknown; tensorflow1, clean or antialias");
}

class InceptionDetector : public Detector {
 public:
  explicit InceptionDetector(const DetectorOptions& options)
      : device_(options.device),
        resize_(parse_resize(options.inception_resize)),
        network_(models::load_inception_v3(options.what, options.device)) {
    description_.name = "InceptionV3 " + fs::path(options.what).filename().string();
    description_.hash = sha256_file(options.what);
    description_.preprocessing = "resize " + options.inception_resize;
    description_.width = models::InceptionV3Impl::kFeatures;
    description_.classes = models::InceptionV3Impl::kClasses;
  }

 private:
  DetectorOutput compute(const at::Tensor& clips, bool probabilities) override {
    const at::Tensor pixels = clips.squeeze(1).to(device_);
    DetectorOutput output;
    output.features = network_->features(models::inception_images(pixels, resize_));
    if (probabilities) {
      const at::Tensor logits = network_->logits_without_bias(output.features);
      output.log_probabilities = at::log_softmax(logits.to(at::kDouble), 1);
    }
    return output;
  }

  at::Device device_;
  models::InceptionResize resize_;
  models::InceptionV3 network_;
};

}  // namespace

std::unique_ptr<Detector> make_inception_detector(const DetectorOptions& options) {
  return std::make_unique<InceptionDetector>(options);
}

}  // namespace echopath::evaluation
