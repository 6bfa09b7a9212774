#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "echopath/evaluation/class_figures.hpp"

namespace echopath::evaluation {

/// What `echopath eval motion` looks at.
struct MotionOptions {
  std::string real;       ///< see VideoSet
  std::string synthetic;  ///< may be empty: real videos alone
  std::string trace;      ///< of `echopath sample --trace`, for the same run; may be empty
  std::string split;      ///< of the real videos; empty: all
  std::vector<std::string> classes;  ///< empty: all of both sets
  std::int64_t limit = 0;            ///< videos of each class and set at most; 0: all
  /// Frames of a block of videos without a manifest; real videos are cut like the synthetic ones.
  std::int64_t block_length = 32;
};

/// Seams of a set; the intervals are over videos.
struct SeamSummary {
  std::int64_t videos = 0;
  std::int64_t seams = 0;
  Interval change_ratio;  ///< mean change at seams over the mean change inside blocks
  /// The same of that step of the seams, of the first, second …, at which the change is largest.
  /// Without a fade a seam is one step, and this is change_ratio.
  Interval largest_step;
  /// Of the seams at which the heart moves, and the share of these at which it turns back.
  std::int64_t moving_seams = 0;
  Interval reversed;
  std::int64_t moving_inside = 0;  ///< places inside blocks
  double reversed_inside = 0.0;

  config::Json to_json() const;
};

/// Seams of undropped blocks, in latents; medians over seams and steps.
struct TraceSummary {
  std::int64_t videos = 0;
  std::int64_t seams = 0;
  std::int64_t context_frames = 0;
  std::int64_t seam_fade = 0;  ///< of these, so many last ones are the block's own
  double first_frame = 0.0;    ///< distance of a block's first frame from its reference
  double last_given = 0.0;     ///< of its last given frame
  double step = 0.0;           ///< one frame step inside blocks
  Interval ratio;              ///< first_frame over step, over videos

  config::Json to_json() const;
};

struct MotionReport {
  /// clear_beat (share), heart_rate (of clear beats), rate_variation, steady_beat (share whose rate
  /// varies by less than 15 % over the blocks), rate_in_range (share), whole_beat (share of
  /// both).
  std::vector<FigureComparison> figures;
  double lowest_rate = 0.0, highest_rate = 0.0;  ///< beats per minute, of the real set
  std::string range_source;                      ///< phantom.csv or measured
  std::int64_t known_rates = 0;                  ///< real videos whose true rate is known
  double rate_error = 0.0;                       ///< median |measured / true − 1| of these
  SeamSummary real_seams, synthetic_seams;
  std::optional<TraceSummary> trace;

  config::Json to_json() const;
};

/// Heartbeat and seams of real and synthetic videos. The rates of the real set are those of
/// HeartRate in its phantom.csv (of all its patients) where there is one. Throws DataError on sets
/// without videos, a trace that does not fit the manifest, UsageError, Interrupted.
MotionReport report_motion(const MotionOptions& options);

}  // namespace echopath::evaluation
