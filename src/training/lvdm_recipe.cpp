#include "training/lvdm_recipe.hpp"

#include <algorithm>

#include "echopath/core/errors.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/data/clips.hpp"
#include "echopath/diffusion/frame_noise.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/padding.hpp"
#include "training/export.hpp"
#include "training/order.hpp"
#include "training/precision.hpp"
#include "training/sample_pictures.hpp"

namespace echopath::training {
namespace {

constexpr std::int64_t kValidationItems = 16;
constexpr std::int64_t kValidationBatch = 4;
constexpr std::int64_t kNoiseLevels = 4;
constexpr std::int64_t kSamples = 4;

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
      source_(options.data, options.compatibility),
      order_(
          make_order(labels_of(source_.train()), options.data.balance_classes, options.training)),
      objective_(options.diffusion),
      draws_(options.diffusion, options.compatibility, options.training.seed),
      network_(options.model, options.compatibility),
      embedding_(options.class_embedding) {
  require_channels("model.out_channels", options.model.out_channels, source_.latent_shape(),
                   options.data.latents);
  require_conditions(source_, options.class_embedding, options.data.latents);
  const bool chooses = options.held_frame == "heart_frame" && options.heart_phase_window < 0.5;
  if (options.heart_cycle_conditioning || chooses) {
    const HeartCycles cycles(source_, options_.data);
    if (options.heart_cycle_conditioning) heart_cycles_ = cycles;
    if (chooses) heart_frames_ = HeartFrames(cycles, source_, options.heart_phase_window);
  }
  network_->to(device_);
  embedding_->to(device_);
}

std::vector<NamedModule> LvdmRecipe::modules(int) {
  return {{"lvdm", network_.ptr()}, {"class_embedding", embedding_.ptr()}};
}

at::Tensor LvdmRecipe::reference(const LatentItem& item, const at::Tensor& frames,
                                 std::int64_t valid, std::int64_t step,
                                 std::int64_t position) const {
  const NoiseKey choice = draws_.key(Stream::kClipChoice, step, position);
  const std::int64_t length = options_.block_length;
  const std::int64_t longest = std::min(options_.context_frames, std::min(valid, length - 1));
  const std::int64_t context = 1 + uniform_integer(choice, std::max<std::int64_t>(1, longest), 1);
  at::Tensor given = frames.slice(0, 0, context);
  if (options_.compatibility.reference_frame == "random") {
    const auto available = static_cast<std::int64_t>(item.frames.size());
    given = source_.frames(item, uniform_integer(choice, available, 2), 1,
                           draws_.key(Stream::kReferencePosterior, step, position));
  }
  const bool holds_heart = options_.held_frame == "heart_frame";
  if (holds_heart) {
    const at::Tensor heart =
        source_.frames(item, heart_frames_.choose(item, choice, 4), 1,
                       draws_.key(Stream::kReferencePosterior, step, position));
    given = at::cat({given, heart});
  }
  if (options_.reference_noise > 0) {
    const NoiseKey key = draws_.key(Stream::kReferenceNoise, step, position);
    given = given + options_.reference_noise * uniform_number(choice, 3) *
                        normal_tensor(given.sizes(), key);
  }
  const at::Tensor held = given.slice(0, given.size(0) - 1);
  if (holds_heart) given = given.slice(0, 0, given.size(0) - 1);
  std::vector<std::int64_t> rest = frames.sizes().vec();
  rest[0] = length - given.size(0);
  return at::cat({given, held.expand(rest)});
}

at::Tensor LvdmRecipe::phase(const LatentItem& item, std::int64_t first,
                             at::IntArrayRef shape) const {
  std::optional<models::HeartCycle> cycle = heart_cycles_.of(item);
  if (cycle) cycle = cycle->after(static_cast<double>(first) / options_.data.fps);
  return models::heart_phase(cycle, options_.data.fps, shape[0], shape[2], shape[3]);
}

Batch LvdmRecipe::clips(const std::vector<LatentItem>& items,
                        const std::vector<std::int64_t>& chosen, const MicroBatch& batch) const {
  const std::int64_t length = options_.block_length;
  const models::Compatibility& compatibility = options_.compatibility;
  Batch loaded{batch, {}, {}};
  std::vector<at::Tensor> x0, given, valid;
  std::vector<const LatentItem*> sources;
  for (std::size_t i = 0; i < batch.positions.size(); ++i) {
    const LatentItem& item = items[static_cast<std::size_t>(chosen[i])];
    const std::int64_t position = batch.positions[i];
    const data::Clip clip =
        data::choose_clip(static_cast<std::int64_t>(item.frames.size()), length,
                          uniform_number(draws_.key(Stream::kClipChoice, batch.step, position), 0),
                          compatibility.clip_start == "any");
    x0.push_back(pad_frames(source_.frames(item, clip.start, length,
                                           draws_.key(Stream::kPosterior, batch.step, position)),
                            length));
    given.push_back(reference(item, x0.back(), clip.valid, batch.step, position));
    if (options_.heart_cycle_conditioning) {
      given.back() = at::cat({given.back(), phase(item, clip.start, given.back().sizes())}, 1);
    }
    const std::int64_t counted =
        std::min(length, clip.valid + (compatibility.valid_frame_mask == "less_equal" ? 1 : 0));
    valid.push_back((at::arange(length) < counted).to(at::kFloat));
    sources.push_back(&item);
    loaded.items.push_back(item.study.file_name);
  }
  const at::Tensor stacked = at::stack(x0);
  loaded.tensors = {
      {"x0", stacked},
      {"given", at::stack(given)},
      {"valid", at::stack(valid).view({-1, length, 1, 1, 1})},
      {"conditions", conditions_of(sources, options_.class_embedding)},
      {"noise", draws_.noise(batch, stacked.sizes().slice(1), 1, options_.noise_correlation)}};
  return loaded;
}

Batch LvdmRecipe::load(const MicroBatch& batch) const {
  Batch loaded = clips(source_.train(), order_.items(batch.step, batch.positions), batch);
  loaded.tensors["timesteps"] = draws_.timesteps(batch);
  at::Tensor& conditions = loaded.tensors.at("conditions");
  conditions = draws_.drop_conditions(conditions, batch, embedding_->null_condition());
  // Zeros are what a sampler gives for "no reference" and for a heart's cycle that is not known.
  const at::Tensor& given = loaded.tensors.at("given");
  const std::int64_t reference_channels = source_.latent_shape().at(0);
  for (std::size_t i = 0; i < batch.positions.size(); ++i) {
    const at::Tensor item = given[static_cast<std::int64_t>(i)];
    const std::int64_t position = batch.positions[i];
    if (draws_.drops(GivenPart::kReference, options_.reference_dropout, batch.step, position)) {
      item.slice(1, 0, reference_channels).zero_();
    }
    if (draws_.drops(GivenPart::kHeartCycle, options_.heart_cycle_dropout, batch.step, position)) {
      item.slice(1, reference_channels).zero_();
    }
  }
  return loaded;
}

at::Tensor LvdmRecipe::predict(const Batch& batch, const at::Tensor& noisy) {
  // What is given is concatenated before padding, and the loss is taken on the unpadded part.
  const models::PaddedLatents padded = models::pad_latents(
      at::cat({noisy, batch.tensors.at("given")}, 2).to(device_, precision_of(*network_)));
  const at::Tensor time_ids =
      at::full({noisy.size(0), options_.model.added_time_id_count()}, options_.data.fps)
          .to(device_);
  const at::Tensor output =
      network_->forward(padded.latents, batch.tensors.at("timesteps").to(device_),
                        embedding_->forward(batch.tensors.at("conditions").to(device_)), time_ids);
  return models::unpad_latents(output, padded);
}

at::Tensor LvdmRecipe::loss(int, const Batch& batch, Figures&) {
  return objective_.training_loss(batch, predict(batch, objective_.noisy(batch)));
}

Figures LvdmRecipe::validate() {
  const auto& items = source_.val();
  if (items.empty()) return {};
  ValidationByLevel losses;
  for (std::int64_t first = 0; first < kValidationItems; first += kValidationBatch) {
    throw_if_interrupted(kInterruptedValidation);
    MicroBatch batch{kValidationStep, {}};
    std::vector<std::int64_t> chosen;
    for (std::int64_t i = first; i < first + kValidationBatch; ++i) {
      batch.positions.push_back(i);
      chosen.push_back(i % static_cast<std::int64_t>(items.size()));
    }
    Batch drawn = clips(items, chosen, batch);
    const std::int64_t level = (first / kValidationBatch) % kNoiseLevels;
    const std::int64_t timestep = objective_.fixed_timestep(level, kNoiseLevels);
    drawn.tensors["timesteps"] = at::full({kValidationBatch}, timestep, at::kLong);
    losses.add(timestep, objective_.errors(drawn, predict(drawn, objective_.noisy(drawn))));
  }
  return losses.figures();
}

std::vector<LossAtLevel> LvdmRecipe::take_losses_by_level() {
  return objective_.take_losses_by_level();
}

std::int64_t LvdmRecipe::training_items() const {
  return static_cast<std::int64_t>(source_.train().size());
}

std::vector<NamedFrames> LvdmRecipe::samples(const std::filesystem::path& model_directory) {
  const auto& items = source_.val().empty() ? source_.train() : source_.val();
  const std::vector<std::int64_t> chosen = items_of_each_class(items, kSamples);
  const LatentViewer viewer(model_directory, source_, device_);
  std::vector<at::Tensor> shown;
  // One at a time, so that they take less memory than a training step.
  for (std::int64_t i = 0; i < kSamples; ++i) {
    Batch drawn = clips(items, {chosen[static_cast<std::size_t>(i)]}, {kValidationStep, {i}});
    const at::Tensor noise =
        diffusion::frame_noise(drawn.tensors.at("x0").sizes(), options_.noise_correlation,
                               draws_.key(Stream::kInitialNoise, kValidationStep, i),
                               draws_.key(Stream::kSharedNoise, kValidationStep, i));
    const at::Tensor latents =
        sample_latents(options_.diffusion.schedule, noise,
                       [&](const at::Tensor& noisy, const at::Tensor& timesteps) {
                         drawn.tensors["timesteps"] = timesteps;
                         return predict(drawn, noisy);
                       });
    shown.push_back(viewer.show(latents[0]));
  }
  return {{"clips", tiled(shown, kSamples / 2, options_.data.fps)}};
}

void LvdmRecipe::check_target(const std::filesystem::path& model_directory) const {
  require_same_model(model_directory, options_.data, source_);
}

void LvdmRecipe::export_model(const std::filesystem::path& model_directory, std::int64_t steps) {
  check_target(model_directory);
  models::save_component(
      model_directory,
      {"lvdm", "UNetSpatioTemporalConditionModel", config::dump(config::visit_of(options_.model)),
       dtype_of(options_.output.weights_dtype)},
      *network_);
  models::save_class_embedding(model_directory, "lvdm", embedding_);
  models::save_schedule(model_directory, options_.diffusion.schedule);
  models::update_model_info(model_directory, [&](models::ModelInfo& info) {
    describe_latent_model(info, options_.data, source_);
    describe_conditioning(info, embedding_);
    info.fps = options_.data.fps;
    info.block_length = options_.block_length;
    info.context_frames = options_.context_frames;
    info.held_frame = options_.held_frame;
    info.noise_correlation = options_.noise_correlation;
    info.trained_on["lvdm"] = describe_training(options_.training, steps, options_.data.latents,
                                                source_.train().size(), source_.encoder_hash());
    info.trained_on["lvdm"]["reference_dropout"] = options_.reference_dropout;
    if (options_.heart_cycle_conditioning) {
      info.trained_on["lvdm"]["heart_rates"] =
          heart_cycles_.rates(source_.train(), options_.data.classes).to_json();
    }
  });
}

}  // namespace echopath::training
