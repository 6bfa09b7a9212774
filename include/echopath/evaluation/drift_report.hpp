#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/evaluation/class_figures.hpp"
#include "echopath/evaluation/detector_description.hpp"

namespace echopath::evaluation {

/// What `echopath eval drift` looks at.
struct DriftOptions {
  std::string real;                    ///< see VideoSet
  std::string synthetic;               ///< samples of several blocks each
  std::string model;                   ///< model directory of the in-domain detector
  std::string detector = "in-domain";  ///< of frames; see DetectorOptions::what
  std::string split;                   ///< of the real videos; empty: all
  std::vector<std::string> classes;    ///< empty: all of both sets
  std::int64_t limit = 0;              ///< videos of each class and set at most; 0: all
  std::int64_t block_length = 32;      ///< of videos without a manifest
  std::string device = "auto";
};

/// One block, of all videos together.
struct BlockRow {
  std::int64_t frames = 0;
  double frechet = 0.0;     ///< distance of its frames to the real ones
  double brightness = 0.0;  ///< mean grey level
};

struct DriftReport {
  DetectorDescription detector;
  std::int64_t real_videos = 0, real_frames = 0, synthetic_videos = 0;
  std::vector<BlockRow> blocks;
  /// Last block over first, less 1. The interval of the Fréchet distance's
  /// growth is a jackknife over synthetic videos, that of the brightness a
  /// bootstrap.
  Interval frechet_growth, brightness_growth;

  config::Json to_json() const;
  std::string to_text() const;
};

/// Whether videos of many blocks stay what they were: the Fréchet distance of
/// each block to real frames in a detector's features, and its brightness.
/// Every block counts as far as all videos have it, without the frames that it
/// repeats. Throws DataError where videos have fewer than two blocks, and what
/// detectors and sets throw; Interrupted.
DriftReport report_drift(const DriftOptions& options);

}  // namespace echopath::evaluation
