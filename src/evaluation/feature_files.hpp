#pragma once

#include <string>
#include <vector>

#include "echopath/evaluation/distribution.hpp"

namespace echopath::evaluation {

/// The files of features of a comparison (`real_features`, `synthetic_features`).
struct FeatureFiles {
  /// Name and hash as the files' metadata `detector` and `detector_sha256` have them, the name with
  /// those of the files and the beginning of their hashes; an empty hash where they do not say.
  DetectorDescription detector;
  /// What their metadata `takes` says that they are of: frames or clips; empty where it does not.
  std::string takes;
  std::string real_sha256;  ///< of the file; empty without a real side
  std::string synthetic_sha256;
};

/// What the files of a comparison are. Throws DataError where they name different detectors,
/// where one is of frames and the other of clips, and where `takes` says something else; adds a
/// warning where they are one and the same, and where only one of them names its detector.
FeatureFiles describe_feature_files(const DistributionOptions& options,
                                    std::vector<std::string>& warnings);

/// Throws UsageError where options are given that only videos have: they would be passed over.
void refuse_video_options(const DistributionOptions& options);

}  // namespace echopath::evaluation
