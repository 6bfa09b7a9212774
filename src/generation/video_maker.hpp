#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "echopath/generation/block_sampler.hpp"
#include "echopath/generation/frame_codec.hpp"
#include "echopath/generation/heart_sampler.hpp"
#include "echopath/generation/manifest.hpp"
#include "echopath/generation/privacy_gate.hpp"
#include "echopath/generation/sample.hpp"
#include "echopath/io/safetensors.hpp"

namespace echopath::generation {

/// One video of a run, before it is made.
struct VideoPlan {
  std::int64_t index = 0;
  std::string class_name;
  std::int64_t label = 0;
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

  /// Samples, decodes and writes one video block by block. With `trace`, its blocks are added as
  /// "<stem>/block_0000"… `[n, C, h, w]`.
  ManifestEntry make(const VideoPlan& plan, const std::filesystem::path& directory,
                     io::TensorMap* trace, const WorkCallback& on_work) const;

  /// The work of one video whose first heart frame passes. A block's step costs about as much more
  /// than a heart frame's as it has frames.
  std::int64_t work_per_video() const;

 private:
  ManifestEntry describe(const VideoPlan& plan, const HeartFrame& heart) const;

  SampleOptions options_;
  std::map<std::string, std::string> weight_hashes_;
  double scaling_factor_;
  double fps_;
  HeartSampler heart_;
  BlockSampler blocks_;
  FrameCodec codec_;
  std::optional<PrivacyGate> gate_;
};

}  // namespace echopath::generation
