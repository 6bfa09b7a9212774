#include "training/reid_recipe.hpp"

#include <algorithm>
#include <cmath>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/random.hpp"
#include "echopath/core/statistics.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/reid_threshold.hpp"
#include "training/export.hpp"
#include "training/latent_source.hpp"
#include "training/splits.hpp"

namespace echopath::training {
namespace {

constexpr std::int64_t kValidationPairs = 512;
constexpr std::int64_t kBatch = 64;

}  // namespace

ReidRecipe::ReidRecipe(const ReidOptions& options, at::Device device)
    : options_(options),
      device_(device),
      order_(1, 1, 0),
      network_(options.model),
      stopping_(options.patience) {
  const data::LatentDataset dataset =
      data::LatentDataset::open(options.latents, options.skip_unreadable);
  encoder_hash_ = dataset.encoder_hash();
  require_split(dataset.split("TRAIN"), "TRAIN", options.latents);
  require_split(dataset.split("VAL"), "VAL", options.latents);
  require_channels("model.in_channels", options.model.in_channels, dataset.latent_shape(),
                   options.latents);
  train_ = load(dataset, "TRAIN");
  val_ = load(dataset, "VAL");
  held_out_ = val_;
  if (options.compatibility.privacy_split != "VAL") {
    require_split(dataset.split(options.compatibility.privacy_split),
                  options.compatibility.privacy_split, options.latents);
    held_out_ = load(dataset, options.compatibility.privacy_split);
  }
  for (const auto* videos : {&train_, &val_}) {
    const bool several = std::any_of(videos->begin(), videos->end(), [&](const Video& v) {
      return v.study.patient_id != videos->front().study.patient_id;
    });
    if (!several) {
      throw DataError("'" + options.latents +
                      "' holds one patient only in a split; re-identification needs at least two "
                      "in TRAIN and in VAL");
    }
  }
  order_ = data::BatchOrder(static_cast<std::int64_t>(train_.size()), options.training.batch_size,
                            static_cast<std::uint64_t>(options.training.seed));
  network_->to(device_);
  if (options_.training.precision != "fp32") {
    log_warning(
        "training.precision is " + options_.training.precision +
        ", but the re-ID network computes in float32: its answer hangs on small differences");
  }
}

std::vector<ReidRecipe::Video> ReidRecipe::load(const data::LatentDataset& dataset,
                                                const std::string& split) const {
  std::vector<Video> videos;
  for (const data::Study& study : dataset.split(split)) {
    videos.push_back({study, dataset.load(study).mean});
  }
  return videos;
}

std::vector<NamedModule> ReidRecipe::modules(int) {
  return {{"reid", network_.ptr()}};
}

at::Tensor ReidRecipe::frame(const Video& video, std::int64_t index) const {
  if (options_.compatibility.privacy_normalisation == "video")
    return models::normalise_jointly(video.mean)[index];
  return models::normalise_per_frame(video.mean.slice(0, index, index + 1))[0];
}

Batch ReidRecipe::pairs(const std::vector<Video>& videos, const std::vector<std::int64_t>& chosen,
                        const MicroBatch& batch) const {
  Batch loaded{batch, {}, {}};
  std::vector<at::Tensor> a, b;
  std::vector<float> same;
  const auto count = static_cast<std::int64_t>(videos.size());
  for (std::size_t i = 0; i < batch.positions.size(); ++i) {
    const NoiseKey key{static_cast<std::uint64_t>(options_.training.seed), Stream::kPairs,
                       static_cast<std::uint32_t>(batch.step),
                       static_cast<std::uint32_t>(batch.positions[i])};
    const Video& first = videos[static_cast<std::size_t>(chosen[i])];
    const bool negative = uniform_number(key, 0) < 0.5;
    std::int64_t other = chosen[i];
    if (negative) {
      other = (other + 1 + uniform_integer(key, count - 1, 1)) % count;
      while (videos[static_cast<std::size_t>(other)].study.patient_id == first.study.patient_id) {
        other = (other + 1) % count;
      }
    }
    const Video& second = videos[static_cast<std::size_t>(other)];
    const std::int64_t frame_a = uniform_integer(key, first.mean.size(0), 2);
    const std::int64_t frames_b = second.mean.size(0);
    // A positive pair never repeats the frame.
    const std::int64_t frame_b =
        frames_b == 1 ? 0 : (frame_a + 1 + uniform_integer(key, frames_b - 1, 3)) % frames_b;
    a.push_back(frame(first, frame_a));
    b.push_back(frame(second, frame_b));
    same.push_back(negative ? 0.0F : 1.0F);
    loaded.items.push_back(first.study.file_name + " and " + second.study.file_name);
  }
  loaded.tensors = {{"a", at::stack(a)}, {"b", at::stack(b)}, {"same", at::tensor(same)}};
  return loaded;
}

Batch ReidRecipe::load(const MicroBatch& batch) const {
  return pairs(train_, order_.items(batch.step, batch.positions), batch);
}

at::Tensor ReidRecipe::logits(const Batch& batch) {
  return network_->forward(batch.tensors.at("a").to(device_), batch.tensors.at("b").to(device_))
      .to(at::kFloat);
}

at::Tensor ReidRecipe::loss(int, const Batch& batch, Figures&) {
  return at::binary_cross_entropy_with_logits(logits(batch), batch.tensors.at("same").to(device_));
}

Figures ReidRecipe::validate() {
  double loss = 0.0;
  std::vector<double> scores;
  std::vector<bool> positive;
  std::vector<std::string> patients;  // of each pair's first frame
  for (std::int64_t first = 0; first < kValidationPairs; first += kBatch) {
    throw_if_interrupted(kInterruptedValidation);
    MicroBatch batch{kValidationStep, {}};
    std::vector<std::int64_t> chosen;
    for (std::int64_t i = first; i < first + kBatch; ++i) {
      batch.positions.push_back(i);
      chosen.push_back(i % static_cast<std::int64_t>(val_.size()));
    }
    const Batch drawn = pairs(val_, chosen, batch);
    const at::Tensor& same = drawn.tensors.at("same");
    const at::Tensor scored = logits(drawn).cpu();
    loss += at::binary_cross_entropy_with_logits(scored, same).item<double>() * kBatch /
            kValidationPairs;
    for (std::int64_t i = 0; i < kBatch; ++i) {
      scores.push_back(scored[i].item<double>());
      positive.push_back(same[i].item<double>() > 0.5);
      const auto video = static_cast<std::size_t>(chosen[static_cast<std::size_t>(i)]);
      patients.push_back(val_[video].study.patient_id);
    }
  }
  stopping_.note(loss);
  const Interval auc = area_under_roc_interval(scores, positive, patients);
  return {{"val_loss", loss},
          {"val_auc", auc.estimate},
          {"val_auc_low", auc.low},
          {"val_auc_high", auc.high}};
}

at::Tensor ReidRecipe::embeddings(const std::vector<Video>& videos) {
  std::vector<at::Tensor> frames, result;
  const auto flush = [&] {
    if (frames.empty()) return;
    result.push_back(network_->embed(at::stack(frames).to(device_)).to(at::kFloat).cpu());
    frames.clear();
  };
  for (const Video& video : videos) {
    if (!at::isfinite(video.mean).all().item<bool>()) {
      log_warning("'" + video.study.file_name +
                  "' holds latents that are not finite; it is left out of the privacy gate");
      continue;
    }
    const std::int64_t count = std::min(options_.embedding_frames, video.mean.size(0));
    for (std::int64_t i = 0; i < count; ++i) {
      frames.push_back(frame(video, i * video.mean.size(0) / count));
      if (static_cast<std::int64_t>(frames.size()) == kBatch) flush();
    }
  }
  flush();
  if (result.empty()) throw DataError("every video of a split holds latents that are not finite");
  return at::cat(result);
}

void ReidRecipe::check_target(const std::filesystem::path& model_directory) const {
  require_same_vae(model_directory, encoder_hash_, options_.latents);
}

void ReidRecipe::export_model(const std::filesystem::path& model_directory, std::int64_t steps) {
  check_target(model_directory);
  torch::NoGradGuard no_grad;
  network_->eval();
  const at::Tensor train = embeddings(train_), held_out = embeddings(held_out_);
  const at::Tensor similarity = models::pearson_similarity(held_out, train);
  const bool validation = options_.compatibility.privacy_calibration == "validation";
  const at::Tensor largest = similarity.amax(validation ? 1 : 0).to(at::kDouble).contiguous();
  models::ReIdThreshold threshold;
  threshold.tau = percentile(
      std::vector<double>(largest.data_ptr<double>(), largest.data_ptr<double>() + largest.numel()),
      options_.threshold_percentile);
  if (!std::isfinite(threshold.tau)) {
    throw DataError(
        "the re-ID network gives embeddings that are not finite, so that it makes no "
        "threshold for the privacy gate; train it again with a smaller learning rate");
  }
  models::save_component(model_directory,
                         {"reid", "ReIdNet", config::dump(config::visit_of(options_.model)),
                          dtype_of(options_.output.weights_dtype)},
                         *network_);
  const fs::path embeddings_path = model_directory / "reid" / "train_embeddings.safetensors";
  io::save_safetensors(embeddings_path, {{"embeddings", train}});
  threshold.percentile = options_.threshold_percentile;
  threshold.calibration = options_.compatibility.privacy_calibration;
  threshold.normalisation = options_.compatibility.privacy_normalisation;
  models::update_model_info(model_directory, [&](models::ModelInfo& info) {
    info.trained_on["reid"] =
        describe_training(options_.training, steps, options_.latents, train_.size(), encoder_hash_);
  });
  threshold.training_frames = train.size(0);
  threshold.weights_hash = models::ModelDirectory::open(model_directory).component_hash("reid");
  threshold.embeddings_hash = sha256_file(embeddings_path);
  models::write_reid_threshold(model_directory / "reid" / "threshold.json", threshold);
  log_info("privacy threshold " + std::to_string(threshold.tau) + " over " +
           std::to_string(largest.numel()) + " similarities");
}

}  // namespace echopath::training
