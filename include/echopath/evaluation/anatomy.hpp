#pragma once

#include <cstdint>
#include <vector>

#include "echopath/io/frames.hpp"

namespace echopath::evaluation {

/// Grey levels of the chambers in label maps.
struct ChamberLabels {
  std::uint8_t lv = 1, rv = 2, la = 3, ra = 4;
};

/// What one label map shows. Of each chamber only its largest connected piece counts. Values are
/// not numbers where a chamber that they need is missing.
struct FrameAnatomy {
  double lv_area = 0.0;  ///< pixels
  double rv_area = 0.0;
  /// Length in pixels of the line along which the two atria touch with no wall between: √(h² + v²)
  /// of the numbers h and v of pixel pairs side by side and one above the other, which is exact for
  /// a straight line of any direction. 0 where the septum is whole.
  double septal_gap = 0.0;
  /// How flat the interventricular septum is: twice the distance of the LV's axis from its lateral
  /// wall over the whole width, averaged over 40–70 % of the way from the apex to the base. 1 is
  /// round, above 1 the septum is pushed into the LV. It stands for the eccentricity index of the
  /// short-axis view (Ryan et al., 1985), whose other diameter an apical view does not show. The
  /// axis runs from the point farthest from the left atrium to the middle of the LV's base.
  double eccentricity = 0.0;
};

/// One map of `frames`, which have one channel.
FrameAnatomy measure_frame(const io::Frames& maps, std::int64_t frame, const ChamberLabels& labels);

/// What a video's label maps show. End-diastole (ED) is taken from the frames whose LV area is at
/// or above its 90th percentile, end-systole (ES) from those at or below the 10th. Not numbers
/// where there is no frame that shows what is needed.
struct VideoAnatomy {
  double septal_gap = 0.0;       ///< at ED, pixels
  double septal_gap_mean = 0.0;  ///< over all frames; the motion stretches it
  double rv_lv_ratio_ed = 0.0;   ///< of the areas
  double rv_lv_ratio_mean = 0.0;
  double eccentricity_ed = 0.0;
  double eccentricity_es = 0.0;
  double missing = 0.0;  ///< share of the frames without one of the four chambers
};

VideoAnatomy measure_anatomy(const io::Frames& maps, const ChamberLabels& labels = {});

/// A figure of VideoAnatomy, for those who report them all.
struct AnatomyFigure {
  const char* name;
  const char* unit;
  double VideoAnatomy::*value;
};
const std::vector<AnatomyFigure>& anatomy_figures();

/// Dice coefficient 2 |A ∩ B| / (|A| + |B|) of one label over all frames of two sets of maps of one
/// size; not a number where neither has it.
double dice_of(const io::Frames& a, const io::Frames& b, std::uint8_t label);

}  // namespace echopath::evaluation
