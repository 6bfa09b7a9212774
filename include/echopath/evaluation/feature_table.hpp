#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "echopath/evaluation/metric_value.hpp"

namespace echopath::evaluation {

/// Which rows of a table are of one video.
struct VideoRows {
  std::string name;
  std::string class_name;  ///< empty where unknown
  std::string patient;
  std::int64_t begin = 0;  ///< first row
  std::int64_t end = 0;    ///< behind the last

  std::int64_t count() const { return end - begin; }
};

/// Features of one side of a comparison, videos one after the other.
struct FeatureTable {
  at::Tensor features;           ///< [N, D], float32 or wider, perhaps on a file
  at::Tensor log_probabilities;  ///< [N, K]; undefined where there are none
  std::vector<VideoRows> videos;
  std::vector<SkippedVideo> skipped;

  std::int64_t rows() const { return features.size(0); }
  std::int64_t patient_count() const;
  /// In first-seen order, the empty name left out.
  std::vector<std::string> class_names() const;
  /// The rows of one class.
  FeatureTable of_class(const std::string& class_name) const;
  /// At most the first `count` rows; 0 for all.
  FeatureTable first(std::int64_t count) const;
  /// Not more than `count` rows, evenly spread over all; 0 for all.
  FeatureTable spread(std::int64_t count) const;
};

/// Reads `features` [N, D] from a safetensors file; where they are there, also `groups` [N]
/// (integers: rows of one number are of one patient; else every row stands alone) and
/// `log_probabilities` or `probabilities` [N, K]. The tensors stay on the file (logarithms of
/// `probabilities` on a temporary one). Throws DataError
/// naming the file on another layout, and naming the row on features that are not finite and on
/// class probabilities outside [0, 1] or whose sum is not 1 to 1e-3.
FeatureTable read_feature_table(const std::filesystem::path& path);

/// Zeros on a temporary file that has no name: memory in use does not grow with it. Throws
/// DataError where the temporary folder is full.
at::Tensor spooled(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat);

}  // namespace echopath::evaluation
