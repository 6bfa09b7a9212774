#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "echopath/evaluation/feature_table.hpp"

namespace echopath::evaluation::testing {

/// Features of videos, one of each patient, of `per_video` rows each; the last one may have fewer.
inline FeatureTable table_of(const at::Tensor& features, std::int64_t per_video = 1) {
  FeatureTable table;
  table.features = features;
  for (std::int64_t i = 0; i < features.size(0); i += per_video) {
    const std::string name = std::to_string(i);
    table.videos.push_back({name, "", name, i, std::min(features.size(0), i + per_video)});
  }
  return table;
}

}  // namespace echopath::evaluation::testing
