#include "training/classifier_recipe.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/random.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/training/classification_metrics.hpp"
#include "training/export.hpp"
#include "training/order.hpp"
#include "training/precision.hpp"
#include "training/skip_unreadable.hpp"

namespace echopath::training {
namespace {

constexpr std::size_t kChunk = 8;     ///< validation clips of one forward pass
constexpr int kValidationPlaces = 4;  ///< clips of each video that a segmentation is judged on

std::vector<std::int64_t> labels_of(const std::vector<ClassifierData::Item>& items) {
  std::vector<std::int64_t> labels;
  for (const ClassifierData::Item& item : items) labels.push_back(item.label);
  return labels;
}

at::Tensor class_weights(const ClassifierOptions& options, const ClassifierData& data) {
  if (options.class_weights == "given") return at::tensor(options.class_weight_list, at::kFloat);
  if (options.class_weights == "none") return at::ones({options.network().num_classes()});
  return at::tensor(balanced_class_weights(data.train_counts()), at::kFloat);
}

/// Tensors of the same names stacked to a batch.
io::TensorMap stack(const std::vector<io::TensorMap>& samples) {
  io::TensorMap batch;
  for (const auto& [name, first] : samples.front()) {
    std::vector<at::Tensor> parts;
    for (const io::TensorMap& sample : samples) parts.push_back(sample.at(name));
    batch[name] = at::stack(parts);
  }
  return batch;
}

}  // namespace

ClassifierRecipe::ClassifierRecipe(const ClassifierOptions& options, at::Device device)
    : options_(options),
      device_(device),
      data_(options),
      order_(make_order(labels_of(data_.train()), options.data.balance_classes, options.training)),
      classifier_(options.network()),
      weights_(class_weights(options, data_).to(device)),
      stopping_(options.patience) {
  (*classifier_).to(device_);
  std::string counts;
  for (const std::int64_t count : data_.train_counts()) counts += " " + std::to_string(count);
  log_info("training videos by class:" + counts + "; " + std::to_string(data_.val().size()) +
           " to select on");
}

std::vector<NamedModule> ClassifierRecipe::modules(int) {
  return {{options_.component, classifier_.module()}};
}

io::TensorMap ClassifierRecipe::sample(const ClassifierData::Item& item,
                                       const Augmentation& drawn) const {
  io::TensorMap tensors = {{"clips", augment(data_.clip(item, drawn.start), drawn)}};
  if (options_.model.is_segmentation()) {
    tensors["labels"] = augment_maps(data_.maps(item, drawn.start), drawn).to(at::kLong);
  } else {
    tensors["labels"] = at::scalar_tensor(item.label, at::kLong);
  }
  return tensors;
}

io::TensorMap ClassifierRecipe::training_sample(std::int64_t index, const Augmentation& drawn,
                                                std::string& name) const {
  const std::vector<ClassifierData::Item>& train = data_.train();
  const auto read = [&](std::size_t i) {
    name = train[i].study.file_name;
    return sample(train[i], drawn);
  };
  return first_readable(static_cast<std::size_t>(index), train.size(),
                        options_.data.skip_unreadable, read,
                        [&](std::size_t i) { return data_.first_report_of(train[i]); });
}

Batch ClassifierRecipe::load(const MicroBatch& batch) const {
  const auto seed = static_cast<std::uint64_t>(options_.training.seed);
  Batch loaded{batch, {}, {}};
  std::vector<io::TensorMap> samples;
  const std::vector<std::int64_t> items = order_.items(batch.step, batch.positions);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const NoiseKey key{seed, Stream::kAugmentation, static_cast<std::uint32_t>(batch.step),
                       static_cast<std::uint32_t>(batch.positions[i])};
    const Augmentation drawn = draw_augmentation(options_.augmentation, key);
    loaded.items.emplace_back();
    samples.push_back(training_sample(items[i], drawn, loaded.items.back()));
  }
  loaded.tensors = stack(samples);
  return loaded;
}

std::pair<at::Tensor, at::Tensor> ClassifierRecipe::answers(const io::TensorMap& tensors) const {
  const at::Tensor clips = tensors.at("clips").to(device_, precision_of(*classifier_));
  at::Tensor logs = classifier_.log_probabilities(clips);
  at::Tensor labels = tensors.at("labels").to(device_);
  // Frames of all clips side by side: [B·T, K, H, W] and [B·T, H, W].
  if (options_.model.is_segmentation()) {
    logs = logs.flatten(0, 1);
    labels = labels.flatten(0, 1);
  }
  return {logs, labels};
}

at::Tensor ClassifierRecipe::loss_of(const at::Tensor& logs, const at::Tensor& labels) const {
  const at::Tensor entropy = weighted_cross_entropy(logs, labels, weights_.to(logs.scalar_type()));
  if (!options_.model.is_segmentation() || options_.dice_weight == 0) return entropy;
  return entropy + options_.dice_weight * dice_loss(logs.exp(), labels);
}

at::Tensor ClassifierRecipe::loss(int, const Batch& batch, Figures& figures) {
  const auto [logs, labels] = answers(batch.tensors);
  figures.emplace_back("accuracy",
                       (logs.detach().argmax(1) == labels).to(at::kFloat).mean().item<double>());
  return loss_of(logs, labels);
}

Figures ClassifierRecipe::validate() {
  return options_.model.is_segmentation() ? validate_structures() : validate_classes();
}

Figures ClassifierRecipe::select(Figures figures, const std::string& by) {
  if (options_.selection != "loss") {
    for (const auto& [name, value] : Figures(figures)) {
      if (name == by) figures.insert(figures.begin(), {"one_minus_" + by, 1.0 - value});
    }
  }
  stopping_.note(figures.front().second);
  return figures;
}

Figures ClassifierRecipe::validate_classes() {
  const std::vector<ClassifierData::Item>& val = data_.val();
  double loss = 0.0;
  std::vector<at::Tensor> logs, labels;
  for (std::size_t first = 0; first < val.size(); first += kChunk) {
    throw_if_interrupted(kInterruptedValidation);
    std::vector<io::TensorMap> samples;
    for (std::size_t i = first; i < std::min(val.size(), first + kChunk); ++i) {
      samples.push_back(sample(val[i], {}));
    }
    const auto [some_logs, some_labels] = answers(stack(samples));
    const double share = static_cast<double>(samples.size()) / static_cast<double>(val.size());
    loss += share * loss_of(some_logs, some_labels).item<double>();
    logs.push_back(some_logs.cpu());
    labels.push_back(some_labels.cpu());
  }
  const ClassificationMetrics metrics = classification_metrics(at::cat(logs), at::cat(labels));
  return select({{"val_loss", loss},
                 {"val_accuracy", metrics.accuracy},
                 {"val_balanced_accuracy", metrics.balanced_accuracy},
                 {"val_macro_f1", metrics.macro_f1},
                 {"val_auc", metrics.auc}},
                options_.selection == "auc" ? "val_auc" : "val_accuracy");
}

Figures ClassifierRecipe::validate_structures() {
  const std::vector<std::string>& structures = classifier_.config().classes;
  const auto classes = static_cast<std::int64_t>(structures.size());
  double loss = 0.0;
  std::vector<at::Tensor> dice;
  const double videos = static_cast<double>(data_.val().size());
  for (const ClassifierData::Item& item : data_.val()) {
    std::vector<io::TensorMap> samples;
    for (int place = 0; place < kValidationPlaces; ++place) {
      Augmentation none;
      none.start = (place + 0.5) / kValidationPlaces;
      samples.push_back(sample(item, none));
    }
    const auto [logs, labels] = answers(stack(samples));
    loss += loss_of(logs, labels).item<double>() / videos;
    dice.push_back(dice_coefficients(logs.argmax(1), labels, classes).cpu());
  }
  const at::Tensor means = at::nanmean(at::cat(dice), {0});
  Figures figures = {{"val_loss", loss}, {"val_dice", at::nanmean(means).item<double>()}};
  for (std::int64_t k = 1; k < classes; ++k) {
    figures.emplace_back("val_dice_" + structures[static_cast<std::size_t>(k)],
                         means[k - 1].item<double>());
  }
  return select(std::move(figures), "val_dice");
}

void ClassifierRecipe::export_model(const std::filesystem::path& model_directory,
                                    std::int64_t steps) {
  torch::NoGradGuard no_grad;
  models::ClassifierConfig config = classifier_.config();
  models::save_component(model_directory,
                         {options_.component, "Classifier", config::dump(config::visit_of(config)),
                          dtype_of(options_.output.weights_dtype)},
                         *classifier_);
  models::update_model_info(model_directory, [&](models::ModelInfo& info) {
    config::Json record =
        describe_training(options_.training, steps, options_.data.dataset, data_.train().size());
    for (std::size_t i = 0; i < options_.data.extra_datasets.size(); ++i) {
      const std::filesystem::path extra = options_.data.extra_datasets[i];
      record["extra_data"].push_back(
          {{"data", extra.filename().string()}, {"ratio", options_.data.extra_ratios[i]}});
    }
    info.trained_on[options_.component] = std::move(record);
  });
}

}  // namespace echopath::training
