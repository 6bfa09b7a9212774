#include "generation/video_denoiser.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/diffusion/frame_noise.hpp"
#include "echopath/diffusion/guidance.hpp"
#include "echopath/models/heart_cycle.hpp"
#include "echopath/models/padding.hpp"
#include "generation/denoise.hpp"

namespace echopath::generation {
namespace {

/// Throws DataError where the network and echopath.json disagree on whether it is told the cycle.
void require_heart_rates(const models::ModelDirectory& model, bool takes_phase) {
  const std::string path = model.path().string();
  if (models::HeartRates::learned(model.info(), path).has_value() == takes_phase) return;
  throw DataError(path + ": the LVDM " +
                  (takes_phase
                       ? "takes the heart's cycle, but echopath.json has no heart_rates"
                       : "does not take the heart's cycle, but echopath.json has heart_rates") +
                  " under components.lvdm.trained_on; take both from the training that made the "
                  "weights");
}

}  // namespace

VideoDenoiser::VideoDenoiser(const models::ModelDirectory& model, const DenoisingOptions& options,
                             at::Device device, const models::Compatibility& compatibility)
    : options_(options),
      compatibility_(compatibility),
      device_(device),
      dtype_(parse_precision(options.precision)),
      schedule_(model.schedule()),
      block_length_(model.info().block_length),
      fps_(model.info().fps),
      noise_correlation_(model.info().noise_correlation) {
  model.require({"lvdm", "class_embedding/lvdm"});
  const std::string path = model.path().string();
  network_ = model.load_lvdm(device, compatibility);
  network_->to(dtype_);
  models::ClassEmbedding embedding = model.load_class_embedding("lvdm", device, compatibility);
  const auto& config = network_->config();
  const auto& shape = model.info().latent_shape;
  const std::int64_t both = shape.empty() ? 0 : 2 * shape[0];
  takes_phase_ = models::takes_heart_cycle(config.in_channels, config.out_channels);
  require_heart_rates(model, takes_phase_);
  require_channels(shape, config.in_channels, both + (takes_phase_ ? models::kPhaseChannels : 0),
                   config.out_channels, "LVDM", path);
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
  require_size(shape, config.sample_size, "LVDM", path);
  prepare_conditions(embedding);
}

void VideoDenoiser::prepare_conditions(models::ClassEmbedding& embedding) {
  timesteps_ = make_solver()->timesteps();
  frame_numbers_ = network_->prepare_frames(block_length_);
  contexts_ = every_context(embedding, options_.ejection_fraction, device_);
  const std::vector<nn::Condition> times = prepare_times(1);
  const nn::Condition null_context = network_->prepare_context(contexts_.back());
  for (std::size_t label = 0; label + 1 < contexts_.size(); ++label) {
    single_.push_back({times, network_->prepare_context(contexts_[label]), null_context});
  }
}

std::vector<nn::Condition> VideoDenoiser::prepare_times(std::int64_t videos) const {
  const at::Tensor time_ids =
      at::full({videos, network_->config().added_time_id_count()}, fps_, at::kFloat).to(device_);
  std::vector<nn::Condition> times;
  for (const double t : timesteps_) {
    const at::Tensor timestep = at::full({videos}, t, at::kFloat).to(device_);
    times.push_back(network_->prepare_time(timestep, time_ids));
  }
  return times;
}

VideoDenoiser::Batch VideoDenoiser::prepare(const std::vector<std::int64_t>& labels) const {
  TORCH_CHECK(!labels.empty(), "a batch has at least one video");
  if (labels.size() == 1) return single_.at(static_cast<std::size_t>(labels[0]));
  std::vector<at::Tensor> contexts;
  for (const std::int64_t label : labels) {
    contexts.push_back(contexts_.at(static_cast<std::size_t>(label)));
  }
  const auto videos = static_cast<std::int64_t>(labels.size());
  return {prepare_times(videos), network_->prepare_context(at::cat(contexts)),
          network_->prepare_context(contexts_.back().expand({videos, -1, -1}))};
}

VideoDenoiser::References VideoDenoiser::prepare(
    const at::Tensor& reference,
    const std::vector<std::optional<models::HeartCycle>>& cycles) const {
  std::vector<at::Tensor> phases;
  for (const std::optional<models::HeartCycle>& cycle : cycles) {
    phases.push_back(
        models::heart_phase(cycle, fps_, reference.size(1), reference.size(3), reference.size(4)));
  }
  const auto share = [&](const at::Tensor& frames) {
    const at::Tensor known =
        takes_phase_ ? at::cat({frames, at::stack(phases).to(frames.device())}, 2) : frames;
    return network_->prepare_reference(
        models::pad_latents(known, 8, compatibility_).latents.to(dtype_));
  };
  return {share(reference), share(at::zeros_like(reference))};
}

at::Tensor VideoDenoiser::predict(const at::Tensor& sample, const References& references,
                                  std::size_t index, const Batch& batch) const {
  models::PaddedLatents padded = models::pad_latents(sample, 8, compatibility_);
  padded.latents = padded.latents.to(dtype_);
  const auto branch = [&](diffusion::Conditions given) {
    models::VideoConditions conditions;
    conditions.time = batch.times.at(index);
    conditions.context = given.label ? batch.context : batch.null_context;
    conditions.frame_numbers = frame_numbers_;
    conditions.reference = given.frame ? references.given : references.none;
    return models::unpad_latents(network_->forward_prepared(padded.latents, conditions), padded)
        .to(at::kFloat);
  };
  return diffusion::guided_prediction(branch, options_.guidance,
                                      noise_level(schedule_, timesteps_.at(index)));
}

at::Tensor VideoDenoiser::noise(at::IntArrayRef shape, const NoiseKey& key) const {
  const std::uint32_t purpose = key.stream == Stream::kInitialNoise ? 0 : 1;
  const NoiseKey shared{key.seed, Stream::kSharedNoise, purpose, key.b};
  return diffusion::frame_noise(shape, noise_correlation_, key, shared).to(device_);
}

std::unique_ptr<diffusion::Solver> VideoDenoiser::make_solver() const {
  return diffusion::make_solver(schedule_, options_.solver);
}

}  // namespace echopath::generation
