#include "training/lvdm_recipe.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/data/clips.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/padding.hpp"
#include "training/export.hpp"
#include "training/precision.hpp"

namespace echopath::training {
namespace {

constexpr std::int64_t kValidationItems = 16;
constexpr std::int64_t kValidationBatch = 4;
constexpr std::int64_t kNoiseLevels = 4;

/// Appends zero frames up to `count`. frames [N, C, H, W], N ≤ count.
at::Tensor pad_frames(const at::Tensor& frames, std::int64_t count) {
  if (frames.size(0) == count) return frames;
  std::vector<std::int64_t> shape = frames.sizes().vec();
  shape[0] = count - frames.size(0);
  return at::cat({frames, at::zeros(shape)});
}

}  // namespace

LvdmRecipe::LvdmRecipe(const LvdmOptions& options, at::Device device)
    : options_(options),
      device_(device),
      source_(options.data),
      order_(make_order(source_, options.data, options.training)),
      schedule_(options.diffusion.schedule),
      draws_(options.diffusion, options.training.seed),
      network_(options.model),
      embedding_(options.class_embedding) {
  require_channels("model.out_channels", options.model.out_channels, source_.latent_shape(),
                   options.data.latents);
  network_->to(device_);
  embedding_->to(device_);
}

std::vector<NamedModule> LvdmRecipe::modules(int) {
  return {{"lvdm", network_.ptr()}, {"class_embedding", embedding_.ptr()}};
}

void LvdmRecipe::add_clip(const LatentItem& item, std::int64_t step, std::int64_t position,
                          Clips& clips, std::vector<at::Tensor>& x0,
                          std::vector<at::Tensor>& reference,
                          std::vector<at::Tensor>& valid) const {
  const std::int64_t length = options_.block_length;
  const auto available = static_cast<std::int64_t>(item.frames.size());
  const NoiseKey choice = draws_.key(Stream::kClipChoice, step, position);
  const data::Clip clip =
      data::choose_clip(available, length, uniform_number(choice, 0), options_.clip_start == "any");
  const at::Tensor frames = pad_frames(
      source_.frames(item, clip.start, length, draws_.key(Stream::kPosterior, step, position)),
      length);
  const std::int64_t longest = std::min(options_.context_frames, std::min(clip.valid, length - 1));
  const std::int64_t context = 1 + uniform_integer(choice, std::max<std::int64_t>(1, longest), 1);
  at::Tensor given = frames.slice(0, 0, context);
  if (options_.reference_frame == "random") {
    given = source_.frames(item, uniform_integer(choice, available, 2), 1,
                           draws_.key(Stream::kReferencePosterior, step, position));
  }
  if (options_.reference_noise > 0) {
    const NoiseKey key = draws_.key(Stream::kReferenceNoise, step, position);
    given = given + options_.reference_noise * uniform_number(choice, 3) *
                        normal_tensor(given.sizes(), key);
  }
  const at::Tensor last = given.slice(0, given.size(0) - 1);
  std::vector<std::int64_t> rest = frames.sizes().vec();
  rest[0] = length - given.size(0);
  reference.push_back(at::cat({given, last.expand(rest)}));
  const std::int64_t counted =
      std::min(length, clip.valid + (options_.valid_frame_mask == "less_equal" ? 1 : 0));
  valid.push_back((at::arange(length) < counted).to(at::kFloat));
  x0.push_back(frames);
  clips.classes.push_back(item.label);
}

LvdmRecipe::Clips LvdmRecipe::clips(const std::vector<LatentItem>& items,
                                    const std::vector<std::int64_t>& chosen,
                                    const MicroBatch& batch) const {
  Clips clips;
  std::vector<at::Tensor> x0, reference, valid;
  for (std::size_t i = 0; i < batch.positions.size(); ++i) {
    add_clip(items[static_cast<std::size_t>(chosen[i])], batch.step, batch.positions[i], clips, x0,
             reference, valid);
  }
  clips.x0 = at::stack(x0);
  clips.reference = at::stack(reference);
  clips.valid = at::stack(valid).view({-1, options_.block_length, 1, 1, 1});
  return clips;
}

at::Tensor LvdmRecipe::predict(const Clips& clips, const at::Tensor& noisy,
                               const at::Tensor& timesteps, const at::Tensor& labels) {
  // The reference is concatenated before padding, and the loss is taken on the unpadded part.
  const models::PaddedLatents padded = models::pad_latents(
      at::cat({noisy, clips.reference}, 2).to(device_, precision_of(*network_)));
  const at::Tensor time_ids =
      at::full({noisy.size(0), options_.model.added_time_id_count()}, options_.data.fps)
          .to(device_);
  const at::Tensor output = network_->forward(padded.latents, timesteps.to(device_),
                                              embedding_->forward(labels.to(device_)), time_ids);
  return models::unpad_latents(output, padded);
}

at::Tensor LvdmRecipe::masked_loss(const Clips& clips, const at::Tensor& output,
                                   const at::Tensor& noise, const at::Tensor& timesteps) const {
  const at::Tensor target = schedule_.target(clips.x0, noise, timesteps).to(device_);
  return ((for_loss(output) - target).square() * clips.valid.to(device_)).mean();
}

at::Tensor LvdmRecipe::loss(int, const MicroBatch& batch, Figures&) {
  const std::vector<std::int64_t> items = order_.batch(batch.step);
  std::vector<std::int64_t> chosen;
  for (const std::int64_t position : batch.positions) {
    chosen.push_back(items[static_cast<std::size_t>(position)]);
  }
  const Clips batch_clips = clips(source_.train(), chosen, batch);
  const at::Tensor t = draws_.timesteps(batch);
  const at::Tensor noise = draws_.noise(batch, batch_clips.x0.sizes().slice(1), 1);
  const at::Tensor labels = draws_.labels(batch_clips.classes, batch, embedding_->null_label());
  const at::Tensor output =
      predict(batch_clips, schedule_.add_noise(batch_clips.x0, noise, t), t, labels);
  return masked_loss(batch_clips, output, noise, t);
}

Figures LvdmRecipe::validate() {
  const auto& items = source_.val();
  if (items.empty()) return {};
  double total = 0.0;
  int batches = 0;
  const std::int64_t steps = schedule_.num_train_timesteps();
  for (std::int64_t first = 0; first < kValidationItems; first += kValidationBatch) {
    MicroBatch batch{kValidationStep, {}};
    std::vector<std::int64_t> chosen;
    for (std::int64_t i = first; i < first + kValidationBatch; ++i) {
      batch.positions.push_back(i);
      chosen.push_back(i % static_cast<std::int64_t>(items.size()));
    }
    const Clips batch_clips = clips(items, chosen, batch);
    const at::Tensor noise = draws_.noise(batch, batch_clips.x0.sizes().slice(1), 1);
    const std::int64_t level = (first / kValidationBatch) % kNoiseLevels;
    const at::Tensor t =
        at::full({kValidationBatch}, (2 * level + 1) * steps / (2 * kNoiseLevels), at::kLong);
    const at::Tensor output = predict(batch_clips, schedule_.add_noise(batch_clips.x0, noise, t), t,
                                      at::tensor(batch_clips.classes, at::kLong));
    total += masked_loss(batch_clips, output, noise, t).item<double>();
    ++batches;
  }
  return {{"val_loss", total / batches}};
}

void LvdmRecipe::check_target(const std::filesystem::path& model_directory) const {
  require_same_model(model_directory, options_.data, source_);
}

void LvdmRecipe::export_model(const std::filesystem::path& model_directory) {
  check_target(model_directory);
  models::save_component(
      model_directory,
      {"lvdm", "UNetSpatioTemporalConditionModel", config::dump(config::visit_of(options_.model)),
       dtype_of(options_.output.weights_dtype)},
      *network_);
  models::save_class_embedding(model_directory, "lvdm", embedding_);
  models::save_schedule(model_directory, options_.diffusion.schedule);
  models::update_model_info(model_directory, [&](models::ModelInfo& info) {
    describe_latent_model(info, options_.data, options_.class_embedding, source_);
    info.fps = options_.data.fps;
    info.block_length = options_.block_length;
    info.context_frames = options_.context_frames;
    info.trained_on["lvdm"] = describe_training(options_.training, options_.data.latents,
                                                source_.train().size(), source_.encoder_hash());
  });
}

}  // namespace echopath::training
