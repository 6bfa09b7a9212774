#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "echopath/generation/block_sampler.hpp"
#include "echopath/generation/frame_codec.hpp"
#include "echopath/generation/heart_sampler.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/generation/privacy_gate.hpp"
#include "echopath/generation/sample.hpp"
#include "echopath/generation/stitched_sampler.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::generation {

/// One video of a run, before it is made.
struct VideoPlan {
  std::int64_t index = 0;
  std::string class_name;
  std::int64_t label = 0;
  std::vector<std::int64_t> window_labels;  ///< of the stitched sampler's windows
  std::uint64_t seed = 0;
  std::string stem;  ///< file name without extension
};

/// Called after each network step with its work: the frames that it ran on.
using WorkCallback = std::function<void(std::int64_t work)>;

/// The loaded networks of a run, and the way from a plan to a video file.
class VideoMaker {
 public:
  /// Throws DataError where the model directory lacks a part.
  VideoMaker(const models::ModelDirectory& model, const SampleOptions& options, at::Device device,
             std::map<std::string, std::string> weight_hashes);

  /// Samples, decodes and writes one video, block by block where the sampler is that of blocks.
  /// With `trace`, its blocks are added as "<stem>/block_0000"… `[n, C, h, w]`, a stitched video as
  /// "<stem>/video" `[F, C, h, w]`.
  ManifestEntry make(const VideoPlan& plan, const std::filesystem::path& directory,
                     io::TensorMap* trace, const WorkCallback& on_work) const;

  /// The work of one video whose first heart frame passes. A block's step costs about as much more
  /// than a heart frame's as it has frames.
  std::int64_t work_per_video() const;

 private:
  using LatentsCallback = std::function<void(const at::Tensor& latents)>;

  ManifestEntry describe(const VideoPlan& plan, const HeartFrame& heart) const;
  std::int64_t block_length() const;
  /// Hand on the scaled latents of a video, each frame once and in order.
  void make_blocks(const VideoPlan& plan, const at::Tensor& heart, io::TensorMap* trace,
                   const StepCallback& on_step, const LatentsCallback& on_latents) const;
  void make_windows(const VideoPlan& plan, const at::Tensor& heart, io::TensorMap* trace,
                    const StepCallback& on_step, const LatentsCallback& on_latents) const;

  SampleOptions options_;
  std::map<std::string, std::string> weight_hashes_;
  double scaling_factor_;
  double fps_;
  HeartSampler heart_;
  std::optional<BlockSampler> blocks_;  ///< one of these two
  std::optional<StitchedSampler> stitched_;
  FrameCodec codec_;
  std::optional<PrivacyGate> gate_;
};

}  // namespace echopath::generation
