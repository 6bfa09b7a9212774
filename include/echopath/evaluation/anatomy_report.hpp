#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "echopath/evaluation/class_figures.hpp"
#include "echopath/evaluation/video_set.hpp"

namespace echopath::evaluation {

/// What `echopath eval anatomy` looks at.
struct AnatomyOptions {
  std::string real;       ///< see VideoSet
  std::string synthetic;  ///< may be empty: real videos alone
  std::string model;      ///< model directory with the segmentation network
  std::string component = "segmentation";
  std::string split;                 ///< of the real videos; empty: all
  std::vector<std::string> classes;  ///< empty: all of both sets
  std::int64_t limit = 0;            ///< videos of each class and set at most; 0: all
  std::int64_t every = 1;            ///< looks at every n-th frame
  std::string device = "auto";
};

/// The read-out on predicted label maps beside that on exact ones, of the same real videos.
struct AnatomyValidation {
  std::int64_t videos = 0;
  /// "real" of its rows is what the exact maps give, "synthetic" what the network's give.
  std::vector<FigureComparison> figures;
  /// Pearson correlation of each figure over the videos, in the order of `figures`.
  std::vector<double> correlations;
  std::vector<double> dice;  ///< LV, RV, LA, RA, mean over the videos
};

struct AnatomyReport {
  std::vector<FigureComparison> figures;
  std::string segmentation_hash;
  std::optional<AnatomyValidation> validation;  ///< where the real videos have label maps

  config::Json to_json() const;
};

/// Reads chambers and septum of real and synthetic videos, class by class. Where the real set has a
/// folder Masks/ with exact label maps, the same is measured on these. Throws DataError on folders
/// and networks that do not fit, UsageError on options out of range, Interrupted.
AnatomyReport report_anatomy(const AnatomyOptions& options);

}  // namespace echopath::evaluation
