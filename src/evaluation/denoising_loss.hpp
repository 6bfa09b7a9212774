#pragma once

#include <string>
#include <vector>

#include "echopath/evaluation/latent_reader.hpp"

namespace echopath::evaluation {

struct DenoisingLossOptions {
  std::string network = "lidm";  ///< lidm (frames) or lvdm (clips of the model's block length)
  std::int64_t frames = 4;       ///< of each video, for the LIDM
  std::int64_t noise_levels = 8;
  std::uint64_t seed = 0;
};

/// How well a diffusion network denoises videos that it may have been trained on.
struct DenoisingLosses {
  std::vector<double> losses;  ///< of each video of `studies`
  std::vector<data::Study> studies;
  std::vector<std::string> short_videos;  ///< left out: fewer frames than a block
};

/// Mean squared error of the network's prediction over fixed noise levels (the middles of equal
/// parts of the schedule), with the video's class given. Every video gets the same noise, so that
/// losses differ by the videos alone. The LVDM gets the first block at the model's frame rate with
/// its first frame as reference, as in training. Throws DataError where the model lacks a part.
DenoisingLosses denoising_losses(const models::ModelDirectory& model, const LatentReader& reader,
                                 const std::vector<data::Study>& studies,
                                 const DenoisingLossOptions& options, at::Device device);

}  // namespace echopath::evaluation
