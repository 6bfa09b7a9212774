#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "echopath/generation/denoising.hpp"
#include "echopath/models/heart_cycle.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::generation {

class VideoDenoiser;

/// What becomes of a block's given frames while it is denoised.
enum class Anchor {
  kHard,  ///< replaced at every step by their noised selves, and exact at the end
  kSoft,  ///< drawn towards them in proportion to the noise level, free at the end
  kNone,  ///< given to the network as reference only
};

/// Parses hard, soft or none. Throws UsageError.
Anchor parse_anchor(const std::string& name);

/// Frames of M blocks of n frames of which all but the first block repeat c: n + (n − c)(M − 1).
std::int64_t video_length(std::int64_t block_length, std::int64_t context_frames,
                          std::int64_t blocks);

/// What one video brings to its next block.
struct BlockStart {
  at::Tensor given;  ///< [g, C, h, w] scaled latents, its first frames
  std::int64_t label = 0;
  std::uint64_t seed = 0;
  /// The heart's cycle from its first frame on, for an LVDM that is conditioned on it; none: not
  /// known.
  std::optional<models::HeartCycle> cycle = {};
  /// [C, h, w] scaled latents that the video started from, for an LVDM that is shown them in every
  /// block; undefined: its last given frame.
  at::Tensor heart = {};
};

/// How a block continues the one before.
struct SeamOptions {
  Anchor anchor = Anchor::kHard;
  /// Frames that it repeats, at most as many as the model is trained to be given; 0: as many.
  std::int64_t context_frames = 0;
  /// How many of them, the last ones, it draws itself. Two are always given, so that the motion
  /// goes on: c frames leave c − 2 of these at most, and none where c is more than half a block.
  std::int64_t fade = 0;
};

/// Draws blocks of latent frames from the LVDM, each from the frames that come before it (section
/// 2.2 of the paper).
class BlockSampler {
 public:
  /// Throws DataError where the model directory has no LVDM, or one for other latents; UsageError
  /// on more context frames than it was trained with.
  BlockSampler(const models::ModelDirectory& model, const DenoisingOptions& options,
               const SeamOptions& seam, at::Device device,
               const models::Compatibility& compatibility = {});
  ~BlockSampler();

  std::int64_t block_length() const;
  /// c: how many frames of a block the next one repeats. The first c − f are given to it.
  std::int64_t context_frames() const { return context_frames_; }
  /// f: how many of these, the last ones, it draws itself.
  std::int64_t fade_frames() const { return fade_frames_; }

  /// Block number `block` of the video with this seed: `[n, C, h, w]`, float32 on the CPU, scaled
  /// latents. `given` `[g, C, h, w]`, 1 ≤ g < n, holds its first frames: the heart frame for block
  /// 0, the first c − f of the last c frames of the block before for the others. The reference
  /// channels hold the given frames, and throughout the rest of the block the last of them, or the
  /// video's heart frame where the model was trained so (ModelInfo::held_frame) and BlockStart
  /// tells it.
  at::Tensor sample(const at::Tensor& given, std::int64_t label, std::uint64_t seed,
                    std::uint32_t block, const StepCallback& on_step = {}) const;

  /// The same block of several videos, with one forward pass of the network for all of them. They
  /// agree with sample()'s within the rounding of sums; of one video they are the same to the bit.
  /// All are given as many frames.
  std::vector<at::Tensor> sample(const std::vector<BlockStart>& videos, std::uint32_t block,
                                 const StepCallback& on_step = {}) const;

 private:
  std::unique_ptr<const VideoDenoiser> lvdm_;
  Anchor anchor_;
  std::int64_t context_frames_;
  std::int64_t fade_frames_;
  bool holds_heart_;
};

}  // namespace echopath::generation
