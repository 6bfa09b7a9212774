#pragma once

#include <ATen/ATen.h>

#include "echopath/evaluation/detector.hpp"
#include "echopath/evaluation/heartbeat.hpp"
#include "echopath/io/frames.hpp"

namespace echopath::evaluation {

/// A detector of single frames on frames begin … end − 1, which have its number of channels:
/// [end − begin, width].
at::Tensor frame_features(Detector& detector, const io::Frames& frames, const FrameRange& range);

}  // namespace echopath::evaluation
