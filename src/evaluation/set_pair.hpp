#pragma once

#include <optional>
#include <string>
#include <vector>

#include "echopath/evaluation/video_set.hpp"

namespace echopath::evaluation {

/// Which videos a comparison of two sets looks at.
struct SetPairOptions {
  std::string real;
  std::string synthetic;             ///< may be empty
  std::string split;                 ///< of the real videos; empty: all
  std::vector<std::string> classes;  ///< empty: all
  std::int64_t limit = 0;            ///< videos of each class and set at most; 0: all
};

/// Real videos and synthetic ones beside them.
struct SetPair {
  std::vector<VideoItem> real;
  std::vector<VideoItem> synthetic;
  std::vector<std::string> classes;  ///< of both, in first-seen order
};

/// Throws what VideoSet::open throws, and UsageError on a limit below 0.
SetPair open_pair(const SetPairOptions& options);

/// The first `limit` videos of each class (0: all), in their order.
std::vector<VideoItem> first_of_each_class(const std::vector<VideoItem>& videos,
                                           std::int64_t limit);

}  // namespace echopath::evaluation
