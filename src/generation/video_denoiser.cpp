#include "generation/video_denoiser.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/diffusion/guidance.hpp"
#include "echopath/models/padding.hpp"
#include "generation/denoise.hpp"

namespace echopath::generation {

VideoDenoiser::VideoDenoiser(const models::ModelDirectory& model, const DenoisingOptions& options,
                             at::Device device, const models::Compatibility& compatibility)
    : options_(options),
      compatibility_(compatibility),
      device_(device),
      schedule_(model.schedule()),
      block_length_(model.info().block_length) {
  model.require({"lvdm", "class_embedding/lvdm"});
  const std::string path = model.path().string();
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
  if (options.ejection_fraction && !embedding->takes_ejection_fraction()) {
    throw UsageError("--ef is given, but the LVDM of '" + path +
                     "' is conditioned on the class alone; leave it out");
  }
  prepare_conditions(embedding, model.info().fps);
}

void VideoDenoiser::prepare_conditions(models::ClassEmbedding& embedding, double fps) {
  timesteps_ = make_solver()->timesteps();
  const at::Tensor time_ids =
      at::full({1, network_->config().added_time_id_count()}, fps, at::kFloat).to(device_);
  for (const double t : timesteps_) {
    const at::Tensor timestep = at::full({1}, t, at::kFloat).to(device_);
    times_.push_back(network_->prepare_time(timestep, time_ids));
  }
  for (const at::Tensor& context : every_context(embedding, options_.ejection_fraction, device_)) {
    tokens_.push_back(network_->prepare_context(context));
  }
  frame_numbers_ = network_->prepare_frames(block_length_);
}

VideoDenoiser::References VideoDenoiser::prepare(const at::Tensor& reference) const {
  const auto share = [&](const at::Tensor& frames) {
    return network_->prepare_reference(models::pad_latents(frames, 8, compatibility_).latents);
  };
  return {share(reference), share(at::zeros_like(reference))};
}

at::Tensor VideoDenoiser::predict(const at::Tensor& sample, const References& references,
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

std::unique_ptr<diffusion::Solver> VideoDenoiser::make_solver() const {
  return diffusion::make_solver(schedule_, options_.solver);
}

}  // namespace echopath::generation
