#pragma once

#include <string>
#include <vector>

#include "echopath/evaluation/item_features.hpp"
#include "echopath/evaluation/latent_reader.hpp"

namespace echopath::evaluation {

/// What the privacy audit compares of a set of videos.
struct AuditFeatures {
  ItemFeatures frames;  ///< re-ID embeddings
  ItemFeatures motion;  ///< movement of clips, of the videos that are long enough
  std::vector<std::string> short_videos;
};

/// The numbers of the frames of clips at 16 frames a second, one second each, which start every
/// quarter second within the first two seconds; empty where the video is shorter than a second.
std::vector<std::vector<std::int64_t>> motion_clips(std::int64_t count, double fps);

/// Movement [D] of a clip of latents [T, C, h, w]: what is left without the mean over time, 2×2
/// neighbours averaged.
at::Tensor motion_features(const at::Tensor& clip);

/// Reads each video once. `what` names them in the progress line.
AuditFeatures audit_features(const LatentReader& reader, const std::vector<data::Study>& studies,
                             std::int64_t frames, models::ReIdNet& network, at::Device device,
                             const std::string& what);

}  // namespace echopath::evaluation
