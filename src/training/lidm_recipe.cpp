#include "training/lidm_recipe.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/padding.hpp"
#include "training/export.hpp"
#include "training/precision.hpp"

namespace echopath::training {
namespace {

constexpr std::int64_t kValidationItems = 64;
constexpr std::int64_t kNoiseLevels = 8;

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
      source_(options.data),
      order_(make_order(source_, options.data, options.training)),
      schedule_(options.diffusion.schedule),
      draws_(options.diffusion, options.training.seed),
      network_(make_lidm(options)) {
  require_channels("model.out_channels",
                   options.architecture == "UNet2DModel" ? options.unconditional.out_channels
                                                         : options.conditional.out_channels,
                   source_.latent_shape(), options.data.latents);
  network_->module().to(device_);
  if (network_->conditional()) {
    embedding_ = models::ClassEmbedding(options.class_embedding);
    embedding_->to(device_);
  }
}

std::vector<NamedModule> LidmRecipe::modules(int) {
  std::vector<NamedModule> modules = {{"lidm", network_->module().shared_from_this()}};
  if (embedding_) modules.push_back({"class_embedding", embedding_.ptr()});
  return modules;
}

at::Tensor LidmRecipe::predict(const at::Tensor& noisy, const at::Tensor& timesteps,
                               const at::Tensor& labels) {
  const at::Tensor context = embedding_ ? embedding_->forward(labels.to(device_)) : at::Tensor();
  const models::PaddedLatents padded =
      models::pad_latents(noisy.to(device_, precision_of(network_->module())));
  const at::Tensor output = network_->predict(padded.latents, timesteps.to(device_), context);
  return models::unpad_latents(output, padded);
}

at::Tensor LidmRecipe::loss(int, const MicroBatch& batch, Figures&) {
  const std::vector<std::int64_t> items = order_.batch(batch.step);
  std::vector<at::Tensor> frames;
  std::vector<std::int64_t> classes;
  for (const std::int64_t position : batch.positions) {
    const LatentItem& item =
        source_.train()[static_cast<std::size_t>(items[static_cast<std::size_t>(position)])];
    const std::int64_t frame =
        uniform_integer(draws_.key(Stream::kClipChoice, batch.step, position),
                        static_cast<std::int64_t>(item.frames.size()));
    frames.push_back(
        source_.frames(item, frame, 1, draws_.key(Stream::kPosterior, batch.step, position))[0]);
    classes.push_back(item.label);
  }
  const at::Tensor x0 = at::stack(frames);
  const at::Tensor t = draws_.timesteps(batch);
  const at::Tensor noise = draws_.noise(batch, source_.latent_shape(), 0);
  const at::Tensor labels =
      embedding_ ? draws_.labels(classes, batch, embedding_->null_label()) : at::Tensor();
  const at::Tensor output = predict(schedule_.add_noise(x0, noise, t), t, labels);
  const at::Tensor target = schedule_.target(x0, noise, t).to(device_);
  return (for_loss(output) - target).square().mean();
}

Figures LidmRecipe::validate() {
  const auto& items = source_.val();
  if (items.empty()) return {};
  MicroBatch batch{kValidationStep, {}};
  std::vector<at::Tensor> frames;
  std::vector<std::int64_t> classes;
  for (std::int64_t i = 0; i < kValidationItems; ++i) {
    const LatentItem& item = items[static_cast<std::size_t>(i) % items.size()];
    const std::int64_t frame = uniform_integer(draws_.key(Stream::kClipChoice, kValidationStep, i),
                                               static_cast<std::int64_t>(item.frames.size()));
    frames.push_back(
        source_.frames(item, frame, 1, draws_.key(Stream::kPosterior, kValidationStep, i))[0]);
    classes.push_back(item.label);
    batch.positions.push_back(i);
  }
  const at::Tensor x0 = at::stack(frames);
  const at::Tensor noise = draws_.noise(batch, source_.latent_shape(), 0);
  double total = 0.0;
  const std::int64_t steps = schedule_.num_train_timesteps();
  for (std::int64_t level = 0; level < kNoiseLevels; ++level) {
    const at::Tensor t =
        at::full({kValidationItems}, (2 * level + 1) * steps / (2 * kNoiseLevels), at::kLong);
    const at::Tensor output =
        predict(schedule_.add_noise(x0, noise, t), t, at::tensor(classes, at::kLong));
    total += (for_loss(output) - schedule_.target(x0, noise, t).to(device_))
                 .square()
                 .mean()
                 .item<double>();
  }
  return {{"val_loss", total / kNoiseLevels}};
}

void LidmRecipe::check_target(const std::filesystem::path& model_directory) const {
  require_same_model(model_directory, options_.data, source_);
}

void LidmRecipe::export_model(const std::filesystem::path& model_directory) {
  check_target(model_directory);
  models::save_component(model_directory,
                         {"lidm", network_->class_name(), network_->config_json(),
                          dtype_of(options_.output.weights_dtype)},
                         network_->module());
  if (embedding_) models::save_class_embedding(model_directory, "lidm", embedding_);
  models::save_schedule(model_directory, options_.diffusion.schedule);
  models::update_model_info(model_directory, [&](models::ModelInfo& info) {
    describe_latent_model(info, options_.data, options_.class_embedding, source_);
    info.trained_on["lidm"] = describe_training(options_.training, options_.data.latents,
                                                source_.train().size(), source_.encoder_hash());
  });
}

}  // namespace echopath::training
