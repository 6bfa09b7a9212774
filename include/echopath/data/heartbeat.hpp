#pragma once

#include <cstdint>
#include <vector>

#include "echopath/io/frames.hpp"

namespace echopath::data {

/// Grey frames as means over square cells: coarse enough that speckle averages out and what is left
/// to move is the heart.
struct CoarseVideo {
  std::int64_t count = 0;
  std::int64_t width = 0;      ///< values of a frame
  std::vector<double> values;  ///< [count, width], grey levels

  const double* frame(std::int64_t t) const { return values.data() + t * width; }
};

/// About 14×14 cells (8×8 pixels each of a frame of 112×112); what is left over at the right and
/// lower edge is not looked at. `frames` have one channel.
CoarseVideo make_coarse(const io::Frames& frames);

/// Frames begin … end − 1.
struct FrameRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// The beat of one video.
struct Heartbeat {
  bool clear = false;   ///< correlation and rise are at least kClearBeat
  double period = 0.0;  ///< frames; not a number where there is no peak
  double beats_per_minute = 0.0;
  double correlation = 0.0;         ///< of frames one period apart
  double rise = 0.0;                ///< of that over the lowest correlation at a shorter lag
  std::vector<double> block_rates;  ///< beats per minute in each block; not a number: none there
  /// (largest − smallest) / mean of the blocks' rates; not a number where one of them is none.
  double variation = 0.0;
};

constexpr double kClearBeat = 0.5;
/// Rates that are looked for, beats per minute.
constexpr double kSlowestBeat = 40.0, kFastestBeat = 140.0;

/// The period by autocorrelation of the coarse frames, less their mean over the 1.5 s (the slowest
/// beat) around each, so that drift and breathing do not count: of the local
/// maxima between the slowest and the fastest rate the first that reaches 0.85 of the highest, to a
/// fraction of a frame by a parabola. The rate of a block is that of the lag, 0.6 to 1.4 periods,
/// at which its frames come back best, in the frames before and after them, in the block or not: a
/// block may be shorter than a beat.
Heartbeat measure_heartbeat(const CoarseVideo& video, double fps,
                            const std::vector<FrameRange>& blocks);

}  // namespace echopath::data
