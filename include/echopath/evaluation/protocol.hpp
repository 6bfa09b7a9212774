#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"

namespace echopath::evaluation {

/// How the distribution metrics are computed. The defaults are the correct choice; protocol_of()
/// has those of published tools.
struct MetricProtocol {
  /// Divisor N − ddof of covariances.
  std::int64_t covariance_ddof = 1;
  /// How the native InceptionV3 gets its size: tensorflow1, clean or antialias.
  std::string inception_resize = "tensorflow1";
  /// Frames as they are, or ("published") through JPEG of quality 100 (real) and 95 (synthetic).
  std::string jpeg = "none";

  /// Parts that an inception score is the mean over. One: the score of all, without the bias of
  /// small parts.
  std::int64_t is_splits = 1;
  /// Where the parts end: "rows" at ⌊i·N/splits⌋, "50000" at ⌊i·50000/splits⌋ whatever N, "chunks"
  /// of ⌈N/splits⌉ rows.
  std::string is_parts = "rows";
  /// Order of the rows: "file", "numpy" (RandomState(2020).permutation), or "random" by the seed.
  std::string is_order = "file";
  /// Divisor of the deviation over the parts.
  std::int64_t is_ddof = 0;

  /// The kernel distance: of all rows at once where `kid_subsets` is 0, else the mean over so many
  /// random subsets of `kid_subset_size` rows (of all, where there are fewer).
  std::int64_t kid_subsets = 0;
  std::int64_t kid_subset_size = 1000;
  /// How subsets are drawn: "random" by the seed, or "numpy" (RandomState(2020)).
  std::string kid_order = "random";
  /// Rows of a side that the kernel distance and precision and recall look at, spread evenly, so
  /// that time, which grows with the square of the rows, stays bounded; 0 for all.
  std::int64_t pair_rows = 4000;

  /// Neighbours whose distance is the radius of precision and recall (Kynkäänniemi et al., 2019),
  /// and of density and coverage (Naeem et al., 2020).
  std::int64_t precision_neighbours = 3;
  std::int64_t density_neighbours = 5;
  /// Whose rows count as neighbours: those of "other_patients" (the nearest frame of a video is its
  /// own next one), or "any".
  std::string neighbours = "other_patients";

  /// Where a video's clip starts: "random" by the seed and the video's content, "first", "middle".
  std::string real_clip = "random";
  std::string synthetic_clip = "random";
  /// At most so many of the first frames of the synthetic side, and clips of either; 0 for all.
  std::int64_t synthetic_frames = 0;
  std::int64_t clips = 0;

  void visit(config::Visitor& v);
};

/// "echopath" (the defaults), "stylegan-v", "torch-fidelity", "clean-fid", "torchmetrics".
const std::vector<std::string>& protocol_names();
/// What a tool does. Throws UsageError on an unknown name.
MetricProtocol protocol_of(const std::string& tool);
/// Whether a tool computes inception scores at all.
bool has_inception_score(const std::string& tool);

}  // namespace echopath::evaluation
