#include "evaluation/denoising_loss.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/core/random.hpp"
#include "echopath/data/clips.hpp"
#include "echopath/diffusion/frame_noise.hpp"
#include "echopath/diffusion/schedule.hpp"
#include "echopath/models/heart_cycle.hpp"
#include "echopath/models/padding.hpp"

namespace echopath::evaluation {
namespace {

/// A network with what its answer depends on besides the latents and the noise.
class Denoiser {
 public:
  virtual ~Denoiser() = default;
  /// Scaled latents of a video as the network is trained on them, a batch [B, …]; undefined where
  /// the video is too short.
  virtual at::Tensor clean(const LatentReader& reader, const data::Study& study) const = 0;
  /// The part of the noise's variance that the frames of a clip have in common.
  virtual double noise_correlation() const { return 0.0; }
  /// The network's answer to noisy latents at a timestep.
  virtual at::Tensor predict(const at::Tensor& noisy, const at::Tensor& clean,
                             std::int64_t timestep, const data::Study& study) = 0;
};

/// The context of a study's class, or of "no condition" where the model does not know it.
class Conditions {
 public:
  Conditions(const models::ModelDirectory& model, const std::string& network, at::Device device)
      : names_(model.info().class_names),
        embedding_(model.load_class_embedding(network, device)),
        device_(device) {}

  at::Tensor context(const data::Study& study, std::int64_t batch) {
    at::Tensor condition = at::full({batch}, embedding_->null_condition(), at::kLong);
    if (embedding_->takes_ejection_fraction()) {
      condition = condition.to(at::kFloat);
      if (study.ef) condition.fill_(*study.ef / 100.0);
    } else {
      const auto found = std::find(names_.begin(), names_.end(), study.class_name);
      if (found != names_.end()) condition.fill_(found - names_.begin());
    }
    return embedding_->forward(condition.to(device_));
  }

 private:
  std::vector<std::string> names_;
  models::ClassEmbedding embedding_;
  at::Device device_;
};

class ImageDenoiser : public Denoiser {
 public:
  ImageDenoiser(const models::ModelDirectory& model, std::int64_t frames, at::Device device)
      : frames_(frames),
        device_(device),
        scale_(model.info().latent_scaling_factor),
        network_(model.load_lidm(device)) {
    if (network_->conditional()) conditions_.emplace(model, "lidm", device);
  }

  at::Tensor clean(const LatentReader& reader, const data::Study& study) const override {
    return reader.load(study, spread_frames(frames_)) * scale_;
  }

  at::Tensor predict(const at::Tensor& noisy, const at::Tensor&, std::int64_t timestep,
                     const data::Study& study) override {
    const std::int64_t batch = noisy.size(0);
    const at::Tensor context = conditions_ ? conditions_->context(study, batch) : at::Tensor();
    const models::PaddedLatents padded = models::pad_latents(noisy.to(device_));
    const at::Tensor timesteps = at::full({batch}, timestep, at::kLong).to(device_);
    return models::unpad_latents(network_->predict(padded.latents, timesteps, context), padded);
  }

 private:
  std::int64_t frames_;
  at::Device device_;
  double scale_;
  std::unique_ptr<models::LatentImageModel> network_;
  std::optional<Conditions> conditions_;
};

class VideoDenoiser : public Denoiser {
 public:
  VideoDenoiser(const models::ModelDirectory& model, at::Device device)
      : device_(device),
        scale_(model.info().latent_scaling_factor),
        fps_(model.info().fps),
        length_(model.info().block_length),
        noise_correlation_(model.info().noise_correlation),
        network_(model.load_lvdm(device)),
        takes_phase_(models::takes_heart_cycle(network_->config().in_channels,
                                               network_->config().out_channels)),
        conditions_(model, "lvdm", device) {}

  at::Tensor clean(const LatentReader& reader, const data::Study& study) const override {
    const auto first_block = [&](std::int64_t count, double fps) {
      std::vector<std::int64_t> frames = data::resample_indices(count, fps > 0 ? fps : fps_, fps_);
      if (static_cast<std::int64_t>(frames.size()) > length_) {
        frames.resize(static_cast<std::size_t>(length_));
      }
      return frames;
    };
    const at::Tensor frames = reader.load(study, first_block) * scale_;
    return frames.size(0) < length_ ? at::Tensor() : frames.unsqueeze(0);
  }

  double noise_correlation() const override { return noise_correlation_; }

  at::Tensor predict(const at::Tensor& noisy, const at::Tensor& clean, std::int64_t timestep,
                     const data::Study& study) override {
    std::vector<at::Tensor> channels = {noisy, clean.slice(1, 0, 1).expand_as(clean)};
    if (takes_phase_) {
      // Unknown, as in a share of the training (heart_cycle_dropout).
      channels.push_back(
          models::heart_phase(std::nullopt, fps_, clean.size(1), clean.size(3), clean.size(4))
              .unsqueeze(0));
    }
    const models::PaddedLatents padded = models::pad_latents(at::cat(channels, 2).to(device_));
    const at::Tensor time_ids =
        at::full({1, network_->config().added_time_id_count()}, fps_, at::kFloat).to(device_);
    const at::Tensor output =
        network_->forward(padded.latents, at::full({1}, timestep, at::kLong).to(device_),
                          conditions_.context(study, 1), time_ids);
    return models::unpad_latents(output, padded);
  }

 private:
  at::Device device_;
  double scale_;
  double fps_;
  std::int64_t length_;
  double noise_correlation_;
  models::UNetSpatioTemporalConditionModel network_;
  bool takes_phase_;
  Conditions conditions_;
};

std::unique_ptr<Denoiser> make_denoiser(const models::ModelDirectory& model,
                                        const DenoisingLossOptions& options, at::Device device) {
  model.require({options.network, "scheduler"});
  if (options.network == "lidm") {
    return std::make_unique<ImageDenoiser>(model, options.frames, device);
  }
  model.require({"class_embedding/lvdm"});
  return std::make_unique<VideoDenoiser>(model, device);
}

}  // namespace

DenoisingLosses denoising_losses(const models::ModelDirectory& model, const LatentReader& reader,
                                 const std::vector<data::Study>& studies,
                                 const DenoisingLossOptions& options, at::Device device) {
  const at::NoGradGuard no_grad;
  const std::unique_ptr<Denoiser> denoiser = make_denoiser(model, options, device);
  const diffusion::NoiseSchedule schedule(model.schedule());
  DenoisingLosses result;
  Progress progress("denoising loss of the " + options.network,
                    static_cast<std::int64_t>(studies.size()));
  for (std::size_t i = 0; i < studies.size(); ++i) {
    throw_if_interrupted("stopped; nothing was written");
    const at::Tensor clean = denoiser->clean(reader, studies[i]);
    if (!clean.defined()) {
      result.short_videos.push_back(studies[i].file_name);
      continue;
    }
    double loss = 0.0;
    for (std::int64_t level = 0; level < options.noise_levels; ++level) {
      const std::int64_t timestep =
          (2 * level + 1) * schedule.num_train_timesteps() / (2 * options.noise_levels);
      const auto index = static_cast<std::uint32_t>(level);
      const at::Tensor noise =
          diffusion::frame_noise(clean.sizes(), denoiser->noise_correlation(),
                                 {options.seed, Stream::kTrainingNoise, index, 0},
                                 {options.seed, Stream::kSharedNoise, index, 0});
      const at::Tensor noisy = schedule.add_noise(clean, noise, timestep);
      const at::Tensor target =
          schedule.target(clean, noise, at::full({clean.size(0)}, timestep, at::kLong));
      const at::Tensor output = denoiser->predict(noisy, clean, timestep, studies[i]);
      loss += (output.to(at::kCPU, at::kFloat) - target).square().mean().item<double>();
    }
    result.losses.push_back(loss / static_cast<double>(options.noise_levels));
    result.studies.push_back(studies[i]);
    progress.update(static_cast<std::int64_t>(i) + 1, studies[i].stem());
  }
  progress.finish();
  return result;
}

}  // namespace echopath::evaluation
