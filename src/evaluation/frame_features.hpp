#pragma once

#include <ATen/ATen.h>

#include "echopath/data/heartbeat.hpp"
#include "echopath/evaluation/detector.hpp"
#include "echopath/io/frames.hpp"

namespace echopath::evaluation {

/// A detector of single frames on frames begin … end − 1, which have its number of channels:
/// [end − begin, width].
at::Tensor frame_features(Detector& detector, const io::Frames& frames,
                          const data::FrameRange& range);

}  // namespace echopath::evaluation
