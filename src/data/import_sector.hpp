#pragma once

#include <opencv2/core.hpp>
#include <optional>
#include <vector>

#include "echopath/io/dicom.hpp"
#include "echopath/io/frames.hpp"

namespace echopath::data {

/// Where the ultrasound image lies in a frame.
struct Sector {
  cv::Mat mask;     ///< CV_8U, 255 inside
  cv::Rect bounds;  ///< of the mask
};

/// Finds the ultrasound image in grey frames: the convex hull of what changes over time (of what is
/// bright and not thin, in a still), cut to the 2D regions that the header gives. Text, logos,
/// traces and scales are thin, static or apart, and stay outside. Empty where nothing is found.
std::optional<Sector> find_sector(const io::Frames& grey,
                                  const std::vector<io::DicomRegion>& regions_2d);

}  // namespace echopath::data
