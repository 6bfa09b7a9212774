#include "echopath/generation/block_sampler.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "echopath/diffusion/guidance.hpp"
#include "echopath/models/padding.hpp"
#include "generation/denoise.hpp"

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

/// The first convolution's share of the reference channels, which stay the same over a block.
struct BlockSampler::References {
  using Share = std::shared_ptr<const nn::Conv2dOfKnownChannels>;
  Share given;
  Share none;  ///< of zeros: no reference
};

BlockSampler::BlockSampler(const models::ModelDirectory& model, const DenoisingOptions& options,
                           Anchor anchor, at::Device device,
                           const models::Compatibility& compatibility)
    : options_(options),
      anchor_(anchor),
      compatibility_(compatibility),
      device_(device),
      schedule_(model.schedule()),
      block_length_(model.info().block_length),
      context_frames_(model.info().context_frames) {
  model.require({"lvdm", "class_embedding/lvdm"});
  const std::string path = model.path().string();
  if (context_frames_ < 1 || context_frames_ >= block_length_) {
    throw DataError(path + "/echopath.json: context_frames must be 1 to block_length - 1");
  }
  network_ = model.load_lvdm(device, compatibility);
  models::ClassEmbedding embedding = model.load_class_embedding("lvdm", device, compatibility);
  const auto& config = network_->config();
  const auto& shape = model.info().latent_shape;
  require_channels(shape, config.in_channels, shape.empty() ? 0 : 2 * shape[0], config.out_channels,
                   "LVDM", path);
  for (const std::int64_t width : config.cross_attention_dim) {
    if (width == embedding->context_width()) continue;
    throw DataError(path + ": the LVDM's class embedding is " +
                    std::to_string(embedding->context_width()) +
                    " wide, its cross_attention_dim is " + std::to_string(width));
  }
  prepare(embedding, model.info().fps);
}

void BlockSampler::prepare(models::ClassEmbedding& embedding, double fps) {
  timesteps_ = diffusion::make_solver(schedule_, options_.solver)->timesteps();
  const at::Tensor time_ids =
      at::full({1, network_->config().added_time_id_count()}, fps, at::kFloat).to(device_);
  for (const double t : timesteps_) {
    const at::Tensor timestep = at::full({1}, t, at::kFloat).to(device_);
    times_.push_back(network_->prepare_time(timestep, time_ids));
  }
  for (const at::Tensor& context : every_context(embedding, device_)) {
    tokens_.push_back(network_->prepare_context(context));
  }
  frame_numbers_ = network_->prepare_frames(block_length_);
}

at::Tensor BlockSampler::predict(const at::Tensor& sample, const References& references,
                                 std::size_t index, std::int64_t label) const {
  const models::PaddedLatents padded = models::pad_latents(sample, 8, compatibility_);
  const auto branch = [&](diffusion::Conditions given) {
    models::VideoConditions conditions;
    conditions.time = times_.at(index);
    conditions.context = given.label ? tokens_.at(static_cast<std::size_t>(label)) : tokens_.back();
    conditions.frame_numbers = frame_numbers_;
    conditions.reference = given.frame ? references.given : references.none;
    return models::unpad_latents(network_->forward_prepared(padded.latents, conditions), padded);
  };
  return diffusion::guided_prediction(branch, options_.guidance,
                                      noise_level(schedule_, timesteps_.at(index)));
}

at::Tensor BlockSampler::sample(const at::Tensor& given, std::int64_t label, std::uint64_t seed,
                                std::uint32_t block, const StepCallback& on_step) const {
  const at::NoGradGuard no_grad;
  const std::int64_t count = given.size(0);
  TORCH_CHECK(given.dim() == 4 && count >= 1 && count < block_length_,
              "given frames must be [g, C, h, w] with 1 <= g < block length");
  const at::Tensor clean = given.unsqueeze(0).to(device_, at::kFloat);
  std::vector<std::int64_t> shape = clean.sizes().vec();
  shape[1] = block_length_ - count;
  const at::Tensor last = clean.slice(1, count - 1);
  const at::Tensor reference = at::cat({clean, last.expand(shape)}, 1);
  const auto share = [&](const at::Tensor& frames) {
    return network_->prepare_reference(models::pad_latents(frames, 8, compatibility_).latents);
  };
  const References references{share(reference), share(at::zeros_like(reference))};
  shape[1] = block_length_;

  const at::Tensor initial =
      normal_tensor(shape, {seed, Stream::kInitialNoise, block, 0}).to(device_);
  const auto solver = diffusion::make_solver(schedule_, options_.solver);
  const auto constrain = [&](const at::Tensor& sample, std::size_t index) {
    const at::Tensor pinned =
        schedule_.add_noise(clean, initial.slice(1, 0, count), solver->level(index));
    const double hold = anchor_ == Anchor::kHard ? 1.0 : solver->input_level(index).noise;
    const at::Tensor held = at::lerp(sample.slice(1, 0, count), pinned, hold);
    return at::cat({held, sample.slice(1, count)}, 1);
  };
  Trajectory trajectory;
  trajectory.predict = [&](const at::Tensor& sample, std::size_t index) {
    return predict(sample, references, index, label);
  };
  trajectory.noise = [&](std::size_t i) {
    const auto step = static_cast<std::uint32_t>(i);
    return normal_tensor(shape, {seed, Stream::kSolverNoise, block, step}).to(device_);
  };
  if (anchor_ != Anchor::kNone) trajectory.constrain = constrain;
  trajectory.on_step = on_step;

  at::Tensor result = denoise(*solver, initial, trajectory).squeeze(0).cpu();
  if (anchor_ == Anchor::kHard) result = at::cat({given, result.slice(0, count)});
  return result;
}

}  // namespace echopath::generation
