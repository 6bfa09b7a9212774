#include "training/latent_source.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "echopath/data/clips.hpp"
#include "training/splits.hpp"

namespace echopath::training {

LatentSource::LatentSource(const LatentDataOptions& options) : options_(options) {
  const data::LatentDataset dataset = data::LatentDataset::open(options.latents);
  scaling_factor_ = dataset.scaling_factor();
  encoder_hash_ = dataset.encoder_hash();
  latent_shape_ = dataset.latent_shape();
  train_ = load(require_split(dataset.split("TRAIN"), "TRAIN", options.latents), dataset);
  val_ = load(dataset.split("VAL"), dataset);
}

std::vector<LatentItem> LatentSource::load(const std::vector<data::Study>& studies,
                                           const data::LatentDataset& dataset) const {
  std::vector<LatentItem> items;
  for (const data::Study& study : studies) {
    const auto known =
        std::find(options_.classes.begin(), options_.classes.end(), study.class_name);
    if (known == options_.classes.end()) {
      throw DataError(options_.latents + ": '" + study.file_name + "' is of class '" +
                      study.class_name + "', which data.classes lacks; it lists " +
                      join(options_.classes, ", "));
    }
    LatentItem item{study, dataset.load(study), {}, known - options_.classes.begin()};
    item.frames = data::resample_indices(item.latents.mean.size(0),
                                         study.fps > 0 ? study.fps : options_.fps, options_.fps);
    items.push_back(std::move(item));
  }
  return items;
}

at::Tensor LatentSource::frames(const LatentItem& item, std::int64_t first, std::int64_t count,
                                const NoiseKey& key) const {
  const std::int64_t available = static_cast<std::int64_t>(item.frames.size());
  const std::int64_t last = std::min(available, first + count);
  const std::vector<std::int64_t> chosen(item.frames.begin() + first, item.frames.begin() + last);
  const at::Tensor index = at::tensor(chosen, at::kLong);
  at::Tensor latents = item.latents.mean.index_select(0, index);
  if (options_.posterior == "sample") {
    const at::Tensor deviation = (0.5 * item.latents.logvar.index_select(0, index)).exp();
    latents = latents + deviation * normal_tensor(latents.sizes(), key);
  }
  return latents * scaling_factor_;
}

void require_channels(const char* key, std::int64_t channels,
                      const std::vector<std::int64_t>& latent_shape, const std::string& latents) {
  if (channels == latent_shape.at(0)) return;
  throw ConfigError(std::string(key) + " is " + std::to_string(channels) +
                    ", but the latents in '" + latents + "' have " +
                    std::to_string(latent_shape[0]) + " channels");
}

data::BatchOrder make_order(const LatentSource& source, const LatentDataOptions& options,
                            const LoopOptions& loop) {
  const auto seed = static_cast<std::uint64_t>(loop.seed);
  if (!options.balance_classes) {
    return data::BatchOrder(static_cast<std::int64_t>(source.train().size()), loop.batch_size,
                            seed);
  }
  std::vector<std::int64_t> classes;
  for (const LatentItem& item : source.train()) classes.push_back(item.label);
  return data::BatchOrder(classes, loop.batch_size, seed);
}

NoiseKey ObjectiveDraws::key(Stream stream, std::int64_t step, std::int64_t position) const {
  return {seed_, stream, static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(position)};
}

at::Tensor ObjectiveDraws::labels(const std::vector<std::int64_t>& classes, const MicroBatch& batch,
                                  std::int64_t null_label) const {
  std::vector<std::int64_t> labels = classes;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double u = uniform_number(key(Stream::kConditionDrop, batch.step, batch.positions[i]));
    if (u < options_.class_dropout) labels[i] = null_label;
  }
  return at::tensor(labels, at::kLong);
}

at::Tensor ObjectiveDraws::timesteps(const MicroBatch& batch) const {
  std::vector<std::int64_t> timesteps;
  for (const std::int64_t position : batch.positions) {
    const NoiseKey draw = key(Stream::kTimestep, batch.step, position);
    timesteps.push_back(options_.schedule.first_timestep() +
                        uniform_integer(draw, options_.schedule.num_train_timesteps));
  }
  return at::tensor(timesteps, at::kLong);
}

at::Tensor ObjectiveDraws::noise(const MicroBatch& batch, at::IntArrayRef item_shape,
                                 std::int64_t channel_dimension) const {
  std::vector<at::Tensor> items;
  std::vector<std::int64_t> offset_shape(item_shape.size(), 1);
  const auto channels = static_cast<std::size_t>(channel_dimension);
  offset_shape[channels] = item_shape[channels];
  for (const std::int64_t position : batch.positions) {
    at::Tensor item = normal_tensor(item_shape, key(Stream::kTrainingNoise, batch.step, position));
    if (options_.noise_offset > 0) {
      item = item + options_.noise_offset * normal_tensor(offset_shape, key(Stream::kNoiseOffset,
                                                                            batch.step, position));
    }
    items.push_back(item);
  }
  return at::stack(items);
}

}  // namespace echopath::training
