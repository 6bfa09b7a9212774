#include "training/lidm_recipe.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/padding.hpp"
#include "training/export.hpp"
#include "training/order.hpp"
#include "training/precision.hpp"
#include "training/sample_pictures.hpp"

namespace echopath::training {
namespace {

constexpr std::int64_t kValidationItems = 64;
constexpr std::int64_t kNoiseLevels = 8;
constexpr std::int64_t kSamples = 8;

}  // namespace

std::unique_ptr<models::LatentImageModel> make_lidm(const LidmOptions& options) {
  if (options.architecture == "UNet2DModel") {
    return models::make_latent_image_model(options.unconditional);
  }
  return models::make_latent_image_model(options.conditional);
}

LidmRecipe::LidmRecipe(const LidmOptions& options, at::Device device)
    : options_(options),
      device_(device),
      source_(options.data, options.compatibility),
      order_(
          make_order(labels_of(source_.train()), options.data.balance_classes, options.training)),
      objective_(options.diffusion),
      draws_(options.diffusion, options.compatibility, options.training.seed),
      network_(make_lidm(options)) {
  require_channels("model.out_channels",
                   options.architecture == "UNet2DModel" ? options.unconditional.out_channels
                                                         : options.conditional.out_channels,
                   source_.latent_shape(), options.data.latents);
  if (options.heart_phase_window < 0.5) {
    heart_frames_ =
        HeartFrames(HeartCycles(source_, options.data), source_, options.heart_phase_window);
  }
  network_->module().to(device_);
  if (network_->conditional()) {
    require_conditions(source_, options.class_embedding, options.data.latents);
    embedding_ = models::ClassEmbedding(options.class_embedding);
    embedding_->to(device_);
  }
}

std::vector<NamedModule> LidmRecipe::modules(int) {
  std::vector<NamedModule> modules = {{"lidm", network_->module().shared_from_this()}};
  if (embedding_) modules.push_back({"class_embedding", embedding_.ptr()});
  return modules;
}

at::Tensor LidmRecipe::predict(const Batch& batch, const at::Tensor& noisy) {
  at::Tensor context;
  if (embedding_) context = embedding_->forward(batch.tensors.at("conditions").to(device_));
  const models::PaddedLatents padded =
      models::pad_latents(noisy.to(device_, precision_of(network_->module())));
  const at::Tensor output =
      network_->predict(padded.latents, batch.tensors.at("timesteps").to(device_), context);
  return models::unpad_latents(output, padded);
}

Batch LidmRecipe::frames(const std::vector<LatentItem>& items,
                         const std::vector<std::int64_t>& chosen, const MicroBatch& batch) const {
  Batch loaded{batch, {}, {}};
  std::vector<at::Tensor> frames;
  std::vector<const LatentItem*> sources;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const LatentItem& item = items[static_cast<std::size_t>(chosen[i])];
    const std::int64_t position = batch.positions[i];
    const std::int64_t frame =
        heart_frames_.choose(item, draws_.key(Stream::kClipChoice, batch.step, position));
    frames.push_back(
        source_.frames(item, frame, 1, draws_.key(Stream::kPosterior, batch.step, position))[0]);
    sources.push_back(&item);
    loaded.items.push_back(item.study.file_name);
  }
  loaded.tensors = {{"x0", at::stack(frames)},
                    {"noise", draws_.noise(batch, source_.latent_shape(), 0)}};
  if (embedding_) {
    loaded.tensors["conditions"] = conditions_of(sources, options_.class_embedding);
  }
  return loaded;
}

Batch LidmRecipe::load(const MicroBatch& batch) const {
  Batch loaded = frames(source_.train(), order_.items(batch.step, batch.positions), batch);
  loaded.tensors["timesteps"] = draws_.timesteps(batch);
  if (embedding_) {
    at::Tensor& conditions = loaded.tensors.at("conditions");
    conditions = draws_.drop_conditions(conditions, batch, embedding_->null_condition());
  }
  return loaded;
}

at::Tensor LidmRecipe::loss(int, const Batch& batch, Figures&) {
  return objective_.training_loss(batch, predict(batch, objective_.noisy(batch)));
}

Figures LidmRecipe::validate() {
  const auto& items = source_.val();
  if (items.empty()) return {};
  MicroBatch batch{kValidationStep, {}};
  std::vector<std::int64_t> chosen;
  for (std::int64_t i = 0; i < kValidationItems; ++i) {
    batch.positions.push_back(i);
    chosen.push_back(i % static_cast<std::int64_t>(items.size()));
  }
  Batch drawn = frames(items, chosen, batch);
  ValidationByLevel losses;
  for (std::int64_t level = 0; level < kNoiseLevels; ++level) {
    throw_if_interrupted(kInterruptedValidation);
    const std::int64_t timestep = objective_.fixed_timestep(level, kNoiseLevels);
    drawn.tensors["timesteps"] = at::full({kValidationItems}, timestep, at::kLong);
    losses.add(timestep, objective_.errors(drawn, predict(drawn, objective_.noisy(drawn))));
  }
  return losses.figures();
}

std::vector<LossAtLevel> LidmRecipe::take_losses_by_level() {
  return objective_.take_losses_by_level();
}

std::int64_t LidmRecipe::training_items() const {
  return static_cast<std::int64_t>(source_.train().size());
}

std::vector<NamedFrames> LidmRecipe::samples(const std::filesystem::path& model_directory) {
  const auto& items = source_.val().empty() ? source_.train() : source_.val();
  MicroBatch batch{kValidationStep, {}};
  std::vector<at::Tensor> noise;
  for (std::int64_t i = 0; i < kSamples; ++i) {
    batch.positions.push_back(i);
    noise.push_back(normal_tensor(source_.latent_shape(),
                                  draws_.key(Stream::kInitialNoise, kValidationStep, i)));
  }
  Batch drawn = frames(items, items_of_each_class(items, kSamples), batch);
  const at::Tensor latents =
      sample_latents(options_.diffusion.schedule, at::stack(noise),
                     [&](const at::Tensor& noisy, const at::Tensor& timesteps) {
                       drawn.tensors["timesteps"] = timesteps;
                       return predict(drawn, noisy);
                     });
  const at::Tensor shown = LatentViewer(model_directory, source_, device_).show(latents);
  return {{"frames", tiled(shown.split(1), kSamples / 2, options_.data.fps)}};
}

void LidmRecipe::check_target(const std::filesystem::path& model_directory) const {
  require_same_model(model_directory, options_.data, source_);
}

void LidmRecipe::export_model(const std::filesystem::path& model_directory, std::int64_t steps) {
  check_target(model_directory);
  models::save_component(model_directory,
                         {"lidm", network_->class_name(), network_->config_json(),
                          dtype_of(options_.output.weights_dtype)},
                         network_->module());
  if (embedding_) models::save_class_embedding(model_directory, "lidm", embedding_);
  models::save_schedule(model_directory, options_.diffusion.schedule);
  models::update_model_info(model_directory, [&](models::ModelInfo& info) {
    describe_latent_model(info, options_.data, source_);
    if (embedding_) describe_conditioning(info, embedding_);
    info.trained_on["lidm"] = describe_training(options_.training, steps, options_.data.latents,
                                                source_.train().size(), source_.encoder_hash());
    info.trained_on["lidm"]["heart_phase_window"] = options_.heart_phase_window;
  });
}

}  // namespace echopath::training
