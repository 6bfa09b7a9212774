#pragma once

#include "echopath/io/frames.hpp"
#include "echopath/models/compatibility.hpp"

namespace echopath::evaluation {

/// JPEG quality at which the published scripts write the frames that they measure:
/// create_reference_dataset (imageio) the real ones, 6video_to_jpg (OpenCV) the synthetic ones. The
/// difference is part of the published Fréchet distances.
constexpr int kPublishedRealQuality = 100;
constexpr int kPublishedSyntheticQuality = 95;

/// What is left of frames after a JPEG file of this quality (1 to 100), each frame on its own,
/// encoded and decoded in memory. A grey frame gives the same bytes as its copy in three channels
/// would, since its chroma is constant.
io::Frames through_jpeg(const io::Frames& frames, int quality);

/// Which side of a comparison frames are of.
enum class Side { kReal, kSynthetic };

/// The frames that a detector is shown: as they are, or with `jpeg` "published" through the JPEG of
/// their side.
io::Frames frames_to_measure(const io::Frames& frames, Side side,
                             const models::Compatibility& compatibility);

}  // namespace echopath::evaluation
