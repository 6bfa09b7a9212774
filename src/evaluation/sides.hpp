#pragma once

#include <optional>
#include <string>
#include <vector>

#include "echopath/evaluation/distribution.hpp"
#include "echopath/evaluation/extract.hpp"
#include "echopath/evaluation/video_set.hpp"

namespace echopath::evaluation {

/// The two sets of videos of a comparison; the real one may be absent (inception score).
struct Sides {
  std::optional<VideoSet> real;
  std::optional<VideoSet> synthetic;
};

/// Opens the folders and takes the wanted classes and splits. Throws DataError where the two sides
/// have different classes.
Sides open_sides(const DistributionOptions& options, std::vector<std::string>& warnings);

/// What speaks against comparing the two: swapped, the same folder, the same videos on both sides,
/// other frame rates.
void warn_of_sides(const Sides& sides, const FeatureCache& cache,
                   const DistributionOptions& options, std::vector<std::string>& warnings);

/// Throws DataError unless the table has two rows or more; `what` is a frame or a clip.
void require_several(const FeatureTable& table, const std::string& side, const std::string& what);

}  // namespace echopath::evaluation
