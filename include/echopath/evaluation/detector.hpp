#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "echopath/evaluation/detector_description.hpp"

namespace echopath::evaluation {

struct DetectorOutput {
  at::Tensor features;           ///< [B, width] float32 on the CPU
  at::Tensor log_probabilities;  ///< [B, classes] float32 on the CPU; undefined where not asked for
};

/// A network that turns frames or clips into feature vectors, and perhaps class probabilities.
class Detector {
 public:
  virtual ~Detector() = default;
  Detector(const Detector&) = delete;
  Detector& operator=(const Detector&) = delete;

  const DetectorDescription& description() const { return description_; }
  /// `clips` [B, T, C, H, W] uint8, T = 1 for a detector of frames. Probabilities are computed
  /// where asked for; the description must have classes then. Throws DataError where the frames'
  /// size or number does not suit, and where the network gives features of another shape than it
  /// did at first.
  DetectorOutput run(const at::Tensor& clips, bool probabilities);

 protected:
  Detector() = default;
  virtual DetectorOutput compute(const at::Tensor& clips, bool probabilities) = 0;

  DetectorDescription description_;
};

struct DetectorOptions {
  /// "in-domain": the classifiers of the model directory; the name of one of these; or a file: the
  /// FID network's weights (.pth, .safetensors) or a TorchScript module (.pt).
  std::string what = "in-domain";
  bool clips = false;
  std::filesystem::path model;                   ///< model directory of the in-domain detector
  std::string inception_resize = "tensorflow1";  ///< tensorflow1, clean or antialias
  at::Device device = at::kCPU;
};

/// Throws UsageError on an option that names nothing, DataError on a file that is no detector.
std::unique_ptr<Detector> make_detector(const DetectorOptions& options);

/// Clip features of a network that looks at single frames: of its features [B, T, D] over the T
/// frames of a clip, the mean, the standard deviation, and of the change from frame to frame the
/// mean size and the standard deviation, [B, 4·D]. So motion counts, and its order in time.
at::Tensor clip_features(const at::Tensor& frame_features);

}  // namespace echopath::evaluation
