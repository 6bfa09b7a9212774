#include "echopath/generation/block_sampler.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "generation/denoise.hpp"
#include "generation/video_denoiser.hpp"

namespace echopath::generation {
namespace {

/// The given frames of all videos, [B, g, C, h, w].
at::Tensor stack_given(const std::vector<BlockStart>& videos, std::int64_t block_length) {
  TORCH_CHECK(!videos.empty(), "a block is of at least one video");
  std::vector<at::Tensor> given;
  for (const BlockStart& video : videos) {
    const std::int64_t count = video.given.dim() == 4 ? video.given.size(0) : 0;
    TORCH_CHECK(count >= 1 && count < block_length,
                "given frames must be [g, C, h, w] with 1 <= g < block length");
    given.push_back(video.given);
  }
  return at::stack(given);
}

/// What the reference shows behind the given frames, [B, 1, C, h, w].
at::Tensor stack_held(const std::vector<BlockStart>& videos, bool heart) {
  std::vector<at::Tensor> held;
  for (const BlockStart& video : videos) {
    held.push_back(heart && video.heart.defined() ? video.heart.unsqueeze(0)
                                                  : video.given.slice(0, video.given.size(0) - 1));
  }
  return at::stack(held);
}

std::vector<std::int64_t> labels_of(const std::vector<BlockStart>& videos) {
  std::vector<std::int64_t> labels;
  for (const BlockStart& video : videos) labels.push_back(video.label);
  return labels;
}

std::vector<std::optional<models::HeartCycle>> cycles_of(const std::vector<BlockStart>& videos) {
  std::vector<std::optional<models::HeartCycle>> cycles;
  for (const BlockStart& video : videos) cycles.push_back(video.cycle);
  return cycles;
}

/// How many of the repeated frames a block may draw itself; see SeamOptions.
std::int64_t allowed_fade(std::int64_t wanted, std::int64_t context_frames,
                          std::int64_t block_length) {
  constexpr std::int64_t kAlwaysGiven = 2;
  if (2 * context_frames > block_length) return 0;
  return std::clamp<std::int64_t>(context_frames - kAlwaysGiven, 0, wanted);
}

}  // namespace

Anchor parse_anchor(const std::string& name) {
  if (name == "hard") return Anchor::kHard;
  if (name == "soft") return Anchor::kSoft;
  if (name == "none") return Anchor::kNone;
  throw UsageError("anchor '" + name + "' is unknown; use hard, soft or none");
}

std::int64_t video_length(std::int64_t block_length, std::int64_t context_frames,
                          std::int64_t blocks) {
  return block_length + (block_length - context_frames) * (blocks - 1);
}

BlockSampler::BlockSampler(const models::ModelDirectory& model, const DenoisingOptions& options,
                           const SeamOptions& seam, at::Device device,
                           const models::Compatibility& compatibility)
    : lvdm_(std::make_unique<VideoDenoiser>(model, options, device, compatibility)),
      anchor_(seam.anchor),
      context_frames_(seam.context_frames == 0 ? model.info().context_frames : seam.context_frames),
      fade_frames_(allowed_fade(seam.fade, context_frames_, block_length())),
      holds_heart_(model.info().held_frame == "heart_frame") {
  const std::int64_t trained = model.info().context_frames;
  if (trained < 1 || trained >= block_length()) {
    throw DataError(model.path().string() +
                    "/echopath.json: context_frames must be 1 to block_length - 1");
  }
  if (context_frames_ < 1 || context_frames_ > trained) {
    throw UsageError("--context-frames must be 1 to " + std::to_string(trained) +
                     ", as many as the LVDM in '" + model.path().string() + "' was trained with");
  }
}

BlockSampler::~BlockSampler() = default;

std::int64_t BlockSampler::block_length() const {
  return lvdm_->block_length();
}

at::Tensor BlockSampler::sample(const at::Tensor& given, std::int64_t label, std::uint64_t seed,
                                std::uint32_t block, const StepCallback& on_step) const {
  return sample({BlockStart{given, label, seed}}, block, on_step).front();
}

std::vector<at::Tensor> BlockSampler::sample(const std::vector<BlockStart>& videos,
                                             std::uint32_t block,
                                             const StepCallback& on_step) const {
  const at::NoGradGuard no_grad;
  const at::Tensor clean = stack_given(videos, block_length()).to(lvdm_->device(), at::kFloat);
  const std::int64_t count = clean.size(1);
  std::vector<std::int64_t> shape = clean.sizes().vec();
  shape[1] = block_length() - count;
  const at::Tensor held = stack_held(videos, holds_heart_).to(clean.device(), at::kFloat);
  const VideoDenoiser::References references =
      lvdm_->prepare(at::cat({clean, held.expand(shape)}, 1), cycles_of(videos));
  const VideoDenoiser::Batch batch = lvdm_->prepare(labels_of(videos));
  shape[0] = 1;
  shape[1] = block_length();

  const auto noise = [&](Stream stream, std::uint32_t step) {
    std::vector<at::Tensor> parts;
    for (const BlockStart& video : videos) {
      parts.push_back(lvdm_->noise(shape, {video.seed, stream, block, step}));
    }
    return at::cat(parts);
  };
  const at::Tensor initial = noise(Stream::kInitialNoise, 0);
  const auto solver = lvdm_->make_solver();
  const auto constrain = [&](const at::Tensor& sample, std::size_t index) {
    const at::Tensor pinned =
        lvdm_->schedule().add_noise(clean, initial.slice(1, 0, count), solver->level(index));
    const double hold = anchor_ == Anchor::kHard ? 1.0 : solver->input_level(index).noise;
    const at::Tensor start = at::lerp(sample.slice(1, 0, count), pinned, hold);
    return at::cat({start, sample.slice(1, count)}, 1);
  };
  Trajectory trajectory;
  trajectory.predict = [&](const at::Tensor& sample, std::size_t index) {
    return lvdm_->predict(sample, references, index, batch);
  };
  trajectory.noise = [&](std::size_t i) {
    return noise(Stream::kSolverNoise, static_cast<std::uint32_t>(i));
  };
  if (anchor_ != Anchor::kNone) trajectory.constrain = constrain;
  trajectory.on_step = on_step;

  const at::Tensor results = denoise(*solver, initial, trajectory).cpu();
  std::vector<at::Tensor> blocks;
  for (std::size_t i = 0; i < videos.size(); ++i) {
    at::Tensor result = results[static_cast<std::int64_t>(i)];
    if (anchor_ == Anchor::kHard) result = at::cat({videos[i].given, result.slice(0, count)});
    blocks.push_back(result);
  }
  return blocks;
}

}  // namespace echopath::generation
