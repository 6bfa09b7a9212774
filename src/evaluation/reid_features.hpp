#pragma once

#include <string>
#include <vector>

#include "echopath/evaluation/item_features.hpp"
#include "echopath/evaluation/latent_reader.hpp"

namespace echopath::evaluation {

/// Which frames of an item the re-ID network is shown, and what they are stretched to [−1, 1] from.
struct ReidView {
  std::int64_t frames = 1;              ///< of each item, spread evenly
  std::string normalisation = "frame";  ///< frame, video, or set: all frames looked at
};

/// Re-ID embeddings of some studies of a directory. `what` names them in the progress line.
ItemFeatures reid_features(const LatentReader& reader, const std::vector<data::Study>& studies,
                           const ReidView& view, models::ReIdNet& network, at::Device device,
                           const std::string& what);

}  // namespace echopath::evaluation
