#include "echopath/generation/block_sampler.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "generation/denoise.hpp"
#include "generation/video_denoiser.hpp"

namespace echopath::generation {

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
                           Anchor anchor, at::Device device,
                           const models::Compatibility& compatibility)
    : lvdm_(std::make_unique<VideoDenoiser>(model, options, device, compatibility)),
      anchor_(anchor),
      context_frames_(model.info().context_frames) {
  if (context_frames_ < 1 || context_frames_ >= block_length()) {
    throw DataError(model.path().string() +
                    "/echopath.json: context_frames must be 1 to block_length - 1");
  }
}

BlockSampler::~BlockSampler() = default;

std::int64_t BlockSampler::block_length() const {
  return lvdm_->block_length();
}

at::Tensor BlockSampler::sample(const at::Tensor& given, std::int64_t label, std::uint64_t seed,
                                std::uint32_t block, const StepCallback& on_step) const {
  const at::NoGradGuard no_grad;
  const std::int64_t count = given.size(0);
  TORCH_CHECK(given.dim() == 4 && count >= 1 && count < block_length(),
              "given frames must be [g, C, h, w] with 1 <= g < block length");
  const at::Tensor clean = given.unsqueeze(0).to(lvdm_->device(), at::kFloat);
  std::vector<std::int64_t> shape = clean.sizes().vec();
  shape[1] = block_length() - count;
  const at::Tensor last = clean.slice(1, count - 1);
  const VideoDenoiser::References references =
      lvdm_->prepare(at::cat({clean, last.expand(shape)}, 1));
  shape[1] = block_length();

  const at::Tensor initial =
      normal_tensor(shape, {seed, Stream::kInitialNoise, block, 0}).to(lvdm_->device());
  const auto solver = lvdm_->make_solver();
  const auto constrain = [&](const at::Tensor& sample, std::size_t index) {
    const at::Tensor pinned =
        lvdm_->schedule().add_noise(clean, initial.slice(1, 0, count), solver->level(index));
    const double hold = anchor_ == Anchor::kHard ? 1.0 : solver->input_level(index).noise;
    const at::Tensor held = at::lerp(sample.slice(1, 0, count), pinned, hold);
    return at::cat({held, sample.slice(1, count)}, 1);
  };
  Trajectory trajectory;
  trajectory.predict = [&](const at::Tensor& sample, std::size_t index) {
    return lvdm_->predict(sample, references, index, label);
  };
  trajectory.noise = [&](std::size_t i) {
    const auto step = static_cast<std::uint32_t>(i);
    return normal_tensor(shape, {seed, Stream::kSolverNoise, block, step}).to(lvdm_->device());
  };
  if (anchor_ != Anchor::kNone) trajectory.constrain = constrain;
  trajectory.on_step = on_step;

  at::Tensor result = denoise(*solver, initial, trajectory).squeeze(0).cpu();
  if (anchor_ == Anchor::kHard) result = at::cat({given, result.slice(0, count)});
  return result;
}

}  // namespace echopath::generation
