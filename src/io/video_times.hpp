#pragma once

#include <vector>

namespace echopath::io {

/// When the frames of a video are shown.
struct FrameTimes {
  double fps = 0.0;             ///< of evenly spaced frames, else their mean rate; 0 where unknown
  std::vector<double> seconds;  ///< from 0, ascending; empty where the frames are evenly spaced
};

/// `seconds` are the times that a container gives its frames, NaN where it gives none, in whole
/// multiples of `tick`. Frames count as evenly spaced where no time is off by more than the
/// rounding to ticks, if these are shorter than half a frame; then the stated rate holds if it fits
/// the times. Times that lack or go backwards are left aside.
FrameTimes settle_times(std::vector<double> seconds, double tick, double stated_fps);

}  // namespace echopath::io
