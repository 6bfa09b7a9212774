#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "echopath/evaluation/class_figures.hpp"
#include "echopath/evaluation/detector_description.hpp"

namespace echopath::evaluation {

/// What `echopath eval compare` looks at.
struct CompareOptions {
  std::string real;  ///< see VideoSet
  /// Name and sample directory of each arm. Videos of one place in the lists belong together: one
  /// class, and one seed.
  std::vector<std::pair<std::string, std::string>> arms;
  std::string model;                   ///< model directory of the in-domain detector
  std::string detector = "in-domain";  ///< of frames; see DetectorOptions::what
  std::string split;                   ///< of the real videos; empty: all
  std::int64_t frames = 0;             ///< first frames of each sampled video; 0: all
  std::int64_t folds = 20;             ///< of the jackknife, at least 2
  std::string device = "auto";
};

struct ArmRow {
  std::string name;
  std::int64_t videos = 0, frames = 0;
  Interval frechet;     ///< distance to the real frames
  Interval difference;  ///< from the first arm's, paired by video; not numbers for the first
};

struct CompareReport {
  DetectorDescription detector;
  std::int64_t real_videos = 0, real_frames = 0;
  std::vector<ArmRow> arms;

  config::Json to_json() const;
  std::string to_text() const;
};

/// The Fréchet distance of each arm to the same real frames, and how much it differs from the first
/// arm's. The intervals are jackknives over videos of the samples and patients of the real set; for
/// a difference the same videos of both arms and the same patients are left out together, so that
/// what they share cancels. Warns where no manifest tells the seeds of an arm. Throws UsageError on
/// fewer than two arms, DataError where arms have other numbers of videos, classes or seeds, and
/// what detectors and sets throw; Interrupted.
CompareReport report_compare(const CompareOptions& options);

}  // namespace echopath::evaluation
