#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/evaluation/class_figures.hpp"

namespace at {
class Tensor;
}

namespace echopath::evaluation {

/// What `echopath eval nearest` looks at.
struct NearestOptions {
  std::string real;                  ///< set with a held-out split
  std::string training;              ///< dataset with a TRAIN split; empty: `real`
  std::string synthetic;             ///< samples; their first frames are the heart frames
  std::string model;                 ///< model directory whose VAE makes the latents
  std::string split = "TEST";        ///< held out
  std::vector<std::string> classes;  ///< empty: all of both sets
  std::int64_t limit = 0;            ///< held-out and synthetic videos of each class; 0: all
  std::int64_t every = 4;            ///< of real videos every n-th frame
  std::string device = "auto";
};

struct NearestReport {
  std::int64_t training_frames = 0;
  /// Median distance to the nearest training frame; the intervals are over patients.
  Interval heart_frames, held_out;
  std::int64_t heart_videos = 0, held_out_videos = 0, held_out_frames = 0;
  Interval ratio;       ///< of the two medians
  double copies = 0.0;  ///< share of heart frames nearer than the 5th percentile of held-out frames

  config::Json to_json() const;
};

/// How near the heart frames of samples come to the training frames, beside frames of held-out
/// patients. The distance is the root mean square difference of VAE latents (means, in units of the
/// latents' standard deviation). Throws DataError on sets without a TRAIN split, UsageError on
/// options out of range, Interrupted.
NearestReport report_nearest(const NearestOptions& options);

/// Distance of each row of `queries` [M, D] to the nearest of `rows` [N, D], N ≥ 1: root mean
/// square difference, [M] double.
std::vector<double> nearest_distances(const at::Tensor& queries, const at::Tensor& rows);

}  // namespace echopath::evaluation
