#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "echopath/io/frames.hpp"

namespace echopath::phantom {

/// Grey-level, texture and depth statistics of a set of 112×112 clips, measured in the central part
/// of the sector (|x − 56| < 0.55 y + 2, 14 < y < 96). Texture is the image minus its 4×4 box
/// average; the axial direction is taken as down the image, the lateral as across.
struct Statistics {
  std::array<double, 6> percentiles{};  ///< 5, 25, 50, 75, 95, 99
  double mean = 0.0;
  double dark_share = 0.0;            ///< percent of pixels below 10
  double spread_between_clips = 0.0;  ///< standard deviation of the clips' means
  double frame_change = 0.0;          ///< mean |difference| of frames 120 ms apart
  double texture_deviation = 0.0;
  std::array<double, 3> axial{};  ///< texture autocorrelation at 1, 2, 3 px
  std::array<double, 3> lateral{};
  std::array<double, 10> depth{};  ///< mean grey of ten bands from the top, central third
};

/// Measures clips of [T, 112, 112, 1]; the frame change uses the frames nearest to 120 ms apart.
/// Throws DataError on an empty set or on another frame size.
Statistics measure_statistics(const std::vector<io::Frames>& clips);

/// The same figures of 100 public EchoNet-Dynamic clips (docs/phantom.md).
const Statistics& real_statistics();

/// One figure of the comparison.
struct StatisticsRow {
  std::string name;
  double real = 0.0;
  double phantom = 0.0;
};

/// All figures of both, in the order of the docs' table.
std::vector<StatisticsRow> compare_statistics(const Statistics& real, const Statistics& phantom);

}  // namespace echopath::phantom
