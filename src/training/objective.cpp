#include "training/objective.hpp"

#include <algorithm>
#include <cmath>

#include "echopath/diffusion/frame_noise.hpp"
#include "echopath/diffusion/loss_weighting.hpp"
#include "training/precision.hpp"

namespace echopath::training {
namespace {

/// The default in EchoPath's code, which its config does not reach.
constexpr double kMisspeltClassDropout = 0.3;
constexpr std::int64_t kMostRemembered = 16384;

/// [B] of [B, …].
at::Tensor mean_square(const at::Tensor& differences) {
  return differences.square().flatten(1).mean(1);
}

/// [B]: the weighted mean of the mean squares of [B, …, H, W] and of its averages over squares of
/// 2, 4, … cells, the weight doubling with each.
at::Tensor over_scales(const at::Tensor& differences, std::int64_t scales) {
  at::Tensor scaled = differences.flatten(1, -3);
  at::Tensor sum = mean_square(scaled);
  double weight = 1.0, weights = 1.0;
  for (std::int64_t scale = 1; scale < scales; ++scale) {
    // An odd edge is averaged over the cells that are there.
    scaled = at::avg_pool2d(scaled, 2, 2, 0, true, false);
    weight *= 2;
    weights += weight;
    sum = sum + weight * mean_square(scaled);
  }
  return sum / weights;
}

}  // namespace

ObjectiveDraws::ObjectiveDraws(const ObjectiveOptions& options,
                               const models::Compatibility& compatibility, std::int64_t seed)
    : options_(options),
      class_dropout_(options.class_dropout),
      seed_(static_cast<std::uint64_t>(seed)) {
  if (compatibility.class_dropout == "never") class_dropout_ = 0.0;
  if (compatibility.class_dropout == "misspelt_key") class_dropout_ = kMisspeltClassDropout;
}

NoiseKey ObjectiveDraws::key(Stream stream, std::int64_t step, std::int64_t position) const {
  return {seed_, stream, static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(position)};
}

at::Tensor ObjectiveDraws::drop_conditions(const at::Tensor& conditions, const MicroBatch& batch,
                                           std::int64_t null) const {
  at::Tensor kept = conditions.clone();
  for (std::size_t i = 0; i < batch.positions.size(); ++i) {
    const double u = uniform_number(key(Stream::kConditionDrop, batch.step, batch.positions[i]));
    if (u < class_dropout_) kept[static_cast<std::int64_t>(i)].fill_(null);
  }
  return kept;
}

bool ObjectiveDraws::drops(GivenPart part, double probability, std::int64_t step,
                           std::int64_t position) const {
  return uniform_number(key(Stream::kConditionDrop, step, position),
                        static_cast<std::uint32_t>(part)) < probability;
}

std::int64_t ObjectiveDraws::timestep(const NoiseKey& key) const {
  const std::int64_t count = options_.schedule.num_train_timesteps;
  if (options_.timestep_sampling == "uniform") return uniform_integer(key, count);
  const double z = normal_tensor({1}, key).item<double>();
  const double place =
      1.0 / (1.0 + std::exp(-(options_.logit_normal_mean + options_.logit_normal_deviation * z)));
  return std::min(count - 1, static_cast<std::int64_t>(place * static_cast<double>(count)));
}

at::Tensor ObjectiveDraws::timesteps(const MicroBatch& batch) const {
  std::vector<std::int64_t> timesteps;
  for (const std::int64_t position : batch.positions) {
    timesteps.push_back(options_.schedule.first_timestep() +
                        timestep(key(Stream::kTimestep, batch.step, position)));
  }
  return at::tensor(timesteps, at::kLong);
}

at::Tensor ObjectiveDraws::noise(const MicroBatch& batch, at::IntArrayRef item_shape,
                                 std::int64_t channel_dimension, double correlation) const {
  std::vector<at::Tensor> items;
  std::vector<std::int64_t> clip_shape = item_shape.vec();
  clip_shape.insert(clip_shape.begin(), 1);
  std::vector<std::int64_t> offset_shape(item_shape.size(), 1);
  const auto channels = static_cast<std::size_t>(channel_dimension);
  offset_shape[channels] = item_shape[channels];
  for (const std::int64_t position : batch.positions) {
    at::Tensor item = diffusion::frame_noise(clip_shape, correlation,
                                             key(Stream::kTrainingNoise, batch.step, position),
                                             key(Stream::kSharedNoise, batch.step, position))
                          .squeeze(0);
    if (options_.noise_offset > 0) {
      item = item + options_.noise_offset * normal_tensor(offset_shape, key(Stream::kNoiseOffset,
                                                                            batch.step, position));
    }
    items.push_back(item);
  }
  return at::stack(items);
}

DiffusionLoss::DiffusionLoss(const ObjectiveOptions& options)
    : options_(options), schedule_(options.schedule) {}

at::Tensor DiffusionLoss::noisy(const Batch& batch) const {
  return schedule_.add_noise(batch.tensors.at("x0"), batch.tensors.at("noise"),
                             batch.tensors.at("timesteps"));
}

at::Tensor DiffusionLoss::differences(const Batch& batch, const at::Tensor& output) const {
  const at::Tensor target = schedule_.target(batch.tensors.at("x0"), batch.tensors.at("noise"),
                                             batch.tensors.at("timesteps"));
  const at::Tensor differences = for_loss(output) - target.to(output.device());
  const auto valid = batch.tensors.find("valid");
  if (valid == batch.tensors.end()) return differences;
  return differences * valid->second.to(output.device());
}

at::Tensor DiffusionLoss::errors(const Batch& batch, const at::Tensor& output) const {
  return mean_square(differences(batch, output));
}

at::Tensor DiffusionLoss::training_loss(const Batch& batch, const at::Tensor& output) {
  const at::Tensor differences = this->differences(batch, output);
  at::Tensor errors = mean_square(differences);
  const at::Tensor& timesteps = batch.tensors.at("timesteps");
  remembered_.push_back({timesteps, errors.detach()});
  remembered_items_ += timesteps.size(0);
  while (remembered_items_ > kMostRemembered && remembered_.size() > 1) {
    remembered_items_ -= remembered_.front().timesteps.size(0);
    remembered_.erase(remembered_.begin());
  }
  if (options_.loss_scales > 1) errors = over_scales(differences, options_.loss_scales);
  if (options_.loss_weighting == "uniform") return errors.mean();
  const at::Tensor weights =
      diffusion::min_snr_weights(schedule_, timesteps, options_.min_snr_gamma);
  return (errors * weights.to(errors.device())).mean();
}

std::int64_t DiffusionLoss::fixed_timestep(std::int64_t level, std::int64_t levels) const {
  return (2 * level + 1) * schedule_.num_train_timesteps() / (2 * levels);
}

std::vector<LossAtLevel> DiffusionLoss::take_losses_by_level() {
  const auto steps = static_cast<double>(schedule_.num_train_timesteps());
  std::vector<LossAtLevel> losses;
  for (const Remembered& batch : remembered_) {
    const at::Tensor errors = batch.errors.to(at::kCPU, at::kDouble);
    for (std::int64_t i = 0; i < errors.size(0); ++i) {
      losses.push_back({batch.timesteps[i].item<double>() / steps, errors[i].item<double>()});
    }
  }
  remembered_.clear();
  remembered_items_ = 0;
  return losses;
}

void ValidationByLevel::add(std::int64_t timestep, const at::Tensor& errors) {
  levels_.emplace_back(timestep, errors.mean().item<double>());
}

Figures ValidationByLevel::figures() const {
  Figures figures = {{"val_loss", 0.0}};
  for (const auto& [timestep, loss] : levels_) {
    figures.front().second += loss / static_cast<double>(levels_.size());
    figures.emplace_back("val_loss/t=" + std::to_string(timestep), loss);
  }
  return figures;
}

}  // namespace echopath::training
