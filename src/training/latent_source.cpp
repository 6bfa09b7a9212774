#include "training/latent_source.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "echopath/data/clips.hpp"
#include "training/splits.hpp"

namespace echopath::training {

LatentSource::LatentSource(const LatentDataOptions& options,
                           const models::Compatibility& compatibility)
    : options_(options), draw_posterior_(compatibility.posterior == "sample") {
  const data::LatentDataset dataset =
      data::LatentDataset::open(options.latents, options.skip_unreadable);
  scaling_factor_ = dataset.scaling_factor();
  encoder_hash_ = dataset.encoder_hash();
  latent_shape_ = dataset.latent_shape();
  train_ = load(require_split(dataset.split("TRAIN"), "TRAIN", options.latents), dataset);
  val_ = load(require_split(dataset.split("VAL"), "VAL", options.latents), dataset);
}

std::int64_t LatentSource::label_of(const data::Study& study) const {
  // A list without classes (EchoNet-Dynamic's) is all of one.
  if (study.class_name.empty() && options_.classes.size() == 1) return 0;
  const auto known = std::find(options_.classes.begin(), options_.classes.end(), study.class_name);
  if (known == options_.classes.end()) {
    throw DataError(options_.latents + ": '" + study.file_name + "' is of class '" +
                    study.class_name + "', which data.classes lacks; it lists " +
                    join(options_.classes, ", "));
  }
  return known - options_.classes.begin();
}

std::vector<LatentItem> LatentSource::load(const std::vector<data::Study>& studies,
                                           const data::LatentDataset& dataset) const {
  std::vector<LatentItem> items;
  for (const data::Study& study : studies) {
    LatentItem item{study, dataset.load(study), {}, label_of(study)};
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
  if (draw_posterior_) {
    const at::Tensor deviation = (0.5 * item.latents.logvar.index_select(0, index)).exp();
    latents = latents + deviation * normal_tensor(latents.sizes(), key);
  }
  return latents * scaling_factor_;
}

at::Tensor conditions_of(const std::vector<const LatentItem*>& items,
                         const models::ClassEmbeddingConfig& embedding) {
  if (embedding.source == "ef") {
    std::vector<double> fractions;
    for (const LatentItem* item : items) fractions.push_back(item->study.ef.value() / 100.0);
    return at::tensor(fractions, at::kFloat);
  }
  std::vector<std::int64_t> labels;
  for (const LatentItem* item : items) labels.push_back(item->label);
  return at::tensor(labels, at::kLong);
}

void require_conditions(const LatentSource& source, const models::ClassEmbeddingConfig& embedding,
                        const std::string& latents) {
  if (embedding.source != "ef") return;
  for (const std::vector<LatentItem>* items : {&source.train(), &source.val()}) {
    for (const LatentItem& item : *items) {
      if (item.study.ef) continue;
      throw DataError(latents + ": '" + item.study.file_name +
                      "' has no EF in FileList.csv, which class_embedding.source ef takes as the "
                      "condition; fill the column in or set class_embedding.source to class");
    }
  }
}

void require_channels(const char* key, std::int64_t channels,
                      const std::vector<std::int64_t>& latent_shape, const std::string& latents) {
  if (channels == latent_shape.at(0)) return;
  throw ConfigError(std::string(key) + " is " + std::to_string(channels) +
                    ", but the latents in '" + latents + "' have " +
                    std::to_string(latent_shape[0]) + " channels");
}

std::vector<std::int64_t> labels_of(const std::vector<LatentItem>& items) {
  std::vector<std::int64_t> labels;
  for (const LatentItem& item : items) labels.push_back(item.label);
  return labels;
}

}  // namespace echopath::training
