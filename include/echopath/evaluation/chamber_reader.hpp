#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "echopath/evaluation/anatomy.hpp"
#include "echopath/io/frames.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::evaluation {

/// Draws label maps of videos with a segmentation network.
class ChamberReader {
 public:
  /// `component` is a folder of the model directory. Throws DataError where it is no segmentation
  /// network, or one that does not know LV, RV, LA and RA.
  ChamberReader(const models::ModelDirectory& model, const std::string& component,
                at::Device device);

  /// The label of every pixel of grey frames: frames of one channel. Throws DataError naming
  /// `source` on frames of another size than the network's.
  io::Frames label_maps(const io::Frames& frames, const std::string& source) const;

  /// The grey levels of the chambers in its maps.
  const ChamberLabels& labels() const { return labels_; }
  /// SHA-256 of the weights.
  const std::string& hash() const { return hash_; }

 private:
  models::Classifier network_;
  at::Device device_;
  ChamberLabels labels_;
  std::string hash_;
};

}  // namespace echopath::evaluation
