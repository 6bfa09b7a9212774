#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "echopath/generation/denoising.hpp"
#include "echopath/models/heart_cycle.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::generation {

class VideoDenoiser;

/// The label that each window of one video gets when EchoNet-Synthetic's code stitches a batch
/// (commit f21198d; EchoPath's is the same): the windows of a batch lie in the order
/// [window][video], but its list of labels repeats each video's label once for every window, so
/// that window r of video b gets the label of video ⌊(r·B + b) / R⌋, R windows each. Early windows
/// get the labels of the batch's first videos, late ones those of its last. `labels` holds those of
/// the B videos.
std::vector<std::int64_t> published_window_labels(const std::vector<std::int64_t>& labels,
                                                  std::int64_t video, std::int64_t windows);

/// The baseline's long videos: EchoNet-Synthetic denoises all frames of a video at once, but asks
/// its LVDM about overlapping windows of them. Of every window but the first, the answers to the
/// frames that it shares with the window before are thrown away.
class StitchedSampler {
 public:
  /// `overlap`: frames that a window shares with the one before; 0 is half a window (32 of 64 in
  /// the published code). Throws DataError where the model directory has no LVDM, or one for other
  /// latents, and UsageError unless the overlap is shorter than a window.
  StitchedSampler(const models::ModelDirectory& model, const DenoisingOptions& options,
                  std::int64_t overlap, at::Device device,
                  const models::Compatibility& compatibility = {});
  ~StitchedSampler();

  std::int64_t window_length() const;
  std::int64_t overlap() const { return overlap_; }

  /// The video with this seed: `[F, C, h, w]`, float32 on the CPU, scaled latents, F =
  /// video_length(window_length(), overlap(), windows). `heart` `[C, h, w]` is the reference of
  /// every frame; no frame is pinned to it. `labels` holds the class of each window. `cycle` is the
  /// heart's from the video's first frame on, for an LVDM that is conditioned on it. `on_window` is
  /// called after each window of each step.
  at::Tensor sample(const at::Tensor& heart, const std::vector<std::int64_t>& labels,
                    std::uint64_t seed, std::optional<models::HeartCycle> cycle = {},
                    const StepCallback& on_window = {}) const;

 private:
  std::unique_ptr<const VideoDenoiser> lvdm_;
  std::int64_t overlap_;
};

}  // namespace echopath::generation
