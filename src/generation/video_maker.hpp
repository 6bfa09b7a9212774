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
#include "generation/sample_plan.hpp"
#include "generation/video_outputs.hpp"

namespace echopath::generation {

/// Called after each network step with its work: the frames that it ran on.
using WorkCallback = std::function<void(std::int64_t work)>;

/// The loaded networks of a run, and the way from a plan to a video file.
class VideoMaker {
 public:
  /// Throws DataError where the model directory lacks a part, or where its parts do not fit each
  /// other, and where a given heart frame cannot be read or is refused.
  VideoMaker(const models::ModelDirectory& model, const SampleOptions& options, at::Device device,
             std::map<std::string, std::string> weight_hashes);

  /// What names the run in files that carry identifiers.
  void set_run_key(std::string key) { run_.key = std::move(key); }

  /// Samples, decodes and writes these videos, block by block where the sampler is that of blocks,
  /// whose network runs on all of them at once. With `trace`, blocks are added as
  /// "<stem>/block_0000"… `[n, C, h, w]`, a stitched video as "<stem>/video" `[F, C, h, w]`.
  std::vector<ManifestEntry> make(const std::vector<VideoPlan>& plans,
                                  const std::filesystem::path& directory, io::TensorMap* trace,
                                  const WorkCallback& on_work) const;

  /// The work of one video whose first heart frame passes. A block's step costs about as much more
  /// than a heart frame's as it has frames.
  std::int64_t work_per_video() const;

 private:
  /// A video on its way.
  struct Job {
    const VideoPlan* plan;
    HeartFrame heart;
    ManifestEntry entry;
    std::unique_ptr<VideoOutputs> outputs;
  };

  void take_given_heart(const models::ModelDirectory& model);
  HeartFrame heart_of(const VideoPlan& plan, const StepCallback& on_step) const;
  ManifestEntry describe(const VideoPlan& plan, const HeartFrame& heart) const;
  std::int64_t block_length() const;
  /// Decodes and writes the scaled latents of a video, each frame once and in order.
  void write(const at::Tensor& latents, VideoOutputs& outputs) const;
  void make_blocks(std::vector<Job>& jobs, io::TensorMap* trace, const WorkCallback& on_work) const;
  void make_windows(Job& job, io::TensorMap* trace, const WorkCallback& on_work) const;

  SampleOptions options_;
  std::map<std::string, std::string> weight_hashes_;
  double fps_;
  RunIdentity run_;
  bool with_previews_;
  std::optional<HeartSampler> heart_;   ///< none where a file gives the heart frame
  std::optional<BlockSampler> blocks_;  ///< one of these two
  std::optional<StitchedSampler> stitched_;
  models::AutoencoderKL vae_;
  FrameCodec codec_;
  std::optional<PrivacyGate> gate_;
  std::optional<HeartFrame> given_heart_;
  std::string given_heart_hash_;
};

}  // namespace echopath::generation
