#include "training/vae_recipe.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/random.hpp"
#include "echopath/generation/frame_codec.hpp"
#include "echopath/models/model_directory.hpp"
#include "training/export.hpp"
#include "training/frame_size.hpp"
#include "training/precision.hpp"
#include "training/sample_pictures.hpp"
#include "training/skip_unreadable.hpp"
#include "training/splits.hpp"

namespace echopath::training {
namespace {

constexpr std::int64_t kValidationFrames = 64;
constexpr std::int64_t kChunk = 16;
constexpr std::int64_t kShown = 8;

constexpr const char* kSizeKey = "model.sample_size";

}  // namespace

VaeRecipe::VaeRecipe(const VaeOptions& options, at::Device device)
    : options_(options),
      device_(device),
      dataset_(data::Dataset::open(options.dataset)),
      train_(require_split(dataset_.split("TRAIN"), "TRAIN", options.dataset)),
      val_(require_split(dataset_.split("VAL"), "VAL", options.dataset)),
      cache_(dataset_, static_cast<std::size_t>(options.cache_gigabytes * 1e9)),
      order_(static_cast<std::int64_t>(train_.size()), options.training.batch_size,
             static_cast<std::uint64_t>(options.training.seed)),
      model_(options.model),
      discriminator_(1, options.discriminator_channels, options.discriminator_layers) {
  check_videos();
  model_->to(device_);
  discriminator_->to(device_);
  if (options_.perceptual_weight > 0) {
    perceptual_.emplace(options_.perceptual_model, options_.perceptual_component, device_);
  }
  if (options_.freeze_encoder) {
    for (auto& item : model_->named_parameters()) {
      const std::string& name = item.key();
      if (name.rfind("encoder.", 0) == 0 || name.rfind("quant_conv.", 0) == 0) {
        item.value().requires_grad_(false);
      }
    }
  }
}

std::vector<NamedModule> VaeRecipe::modules(int phase) {
  if (phase == 0) return {{"vae", model_.ptr()}};
  return {{"discriminator", discriminator_.ptr()}};
}

bool VaeRecipe::active(int phase, std::int64_t step) const {
  return phase == 0 || (options_.adversarial_weight > 0 && step >= options_.adversarial_start);
}

double VaeRecipe::learning_rate_factor(int phase) const {
  if (phase == 0 || options_.discriminator_learning_rate == 0) return 1.0;
  return options_.discriminator_learning_rate / options_.training.learning_rate;
}

void VaeRecipe::check_videos() {
  for (const auto* studies : {&train_, &val_}) {
    for (const data::Study& study : *studies) {
      if (study.frame_height == 0 || study.frame_width == 0) continue;  // the list does not say
      require_frame_size(study, study.frame_height, study.frame_width,
                         {kSizeKey, options_.model.sample_size});
    }
  }
  for (const std::int64_t item : order_.batch(0)) {
    random_frame(train_, item, {0, Stream::kClipChoice, 0, 0});
  }
}

at::Tensor VaeRecipe::image(const data::Study& study, std::int64_t frame) const {
  const std::shared_ptr<const io::Frames> held = cache_.load(study);
  const io::Frames& video = *held;
  require_frame_size(study, video.height, video.width, {kSizeKey, options_.model.sample_size});
  TORCH_CHECK(frame >= 0 && frame < video.count, "frame ", frame, " of ", video.count);
  const at::Tensor bytes =
      at::from_blob(const_cast<std::uint8_t*>(video.frame(frame)), {video.height, video.width},
                    at::TensorOptions().dtype(at::kByte));
  return bytes.to(at::kFloat).div_(127.5).sub_(1.0).unsqueeze(0).expand({3, -1, -1});
}

std::pair<at::Tensor, std::string> VaeRecipe::random_frame(const std::vector<data::Study>& studies,
                                                           std::int64_t item,
                                                           const NoiseKey& key) const {
  const auto read = [&](std::size_t i) {
    const data::Study& study = studies[i];
    return std::pair(image(study, uniform_integer(key, cache_.load(study)->count)),
                     study.file_name);
  };
  return first_readable(static_cast<std::size_t>(item), studies.size(), options_.skip_unreadable,
                        read, [&](std::size_t i) { return cache_.first_report_of(studies[i]); });
}

Batch VaeRecipe::load(const MicroBatch& batch) const {
  const auto seed = static_cast<std::uint64_t>(options_.training.seed);
  Batch loaded{batch, {}, {}};
  std::vector<at::Tensor> images;
  const std::vector<std::int64_t> items = order_.items(batch.step, batch.positions);
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto [frame, name] =
        random_frame(train_, items[i],
                     {seed, Stream::kClipChoice, static_cast<std::uint32_t>(batch.step),
                      static_cast<std::uint32_t>(batch.positions[i])});
    images.push_back(std::move(frame));
    loaded.items.push_back(std::move(name));
  }
  loaded.tensors["frames"] = at::stack(images);
  return loaded;
}

at::Tensor VaeRecipe::judged_view(const at::Tensor& grey, const MicroBatch& batch,
                                  std::uint32_t side) {
  if (options_.discriminator_noise == 0) return grey;
  std::vector<at::Tensor> noise;
  for (const std::int64_t position : batch.positions) {
    noise.push_back(normal_tensor(
        grey.sizes().slice(1),
        {static_cast<std::uint64_t>(options_.training.seed), Stream::kAugmentation,
         static_cast<std::uint32_t>(batch.step), 2 * static_cast<std::uint32_t>(position) + side}));
  }
  return grey + options_.discriminator_noise * at::stack(noise).to(device_);
}

at::Tensor VaeRecipe::adversarial_term(const at::Tensor& reconstruction_loss,
                                       const at::Tensor& fake, Figures& figures) {
  const at::Tensor generator_loss = -discriminator_->forward(fake).mean();
  const at::Tensor last = model_->last_layer_weight();
  const auto gradient_norm = [&](const at::Tensor& loss) {
    return torch::autograd::grad({loss}, {last}, {}, /*retain_graph=*/true)[0].norm();
  };
  const at::Tensor weight =
      (gradient_norm(reconstruction_loss) / (gradient_norm(generator_loss) + 1e-4))
          .clamp(0.0, 1e4)
          .detach() *
      options_.adversarial_weight;
  figures.emplace_back("generator", generator_loss.item<double>());
  return weight * generator_loss;
}

at::Tensor VaeRecipe::latents(const models::DiagonalGaussian& posterior, const MicroBatch& batch) {
  if (options_.posterior == "mean") return posterior.mean;
  std::vector<at::Tensor> noise;
  for (const std::int64_t position : batch.positions) {
    noise.push_back(normal_tensor(
        posterior.mean.sizes().slice(1),
        {static_cast<std::uint64_t>(options_.training.seed), Stream::kPosterior,
         static_cast<std::uint32_t>(batch.step), static_cast<std::uint32_t>(position)}));
  }
  return posterior.sample(at::stack(noise).to(device_));
}

at::Tensor VaeRecipe::loss(int phase, const Batch& loaded, Figures& figures) {
  const MicroBatch& batch = loaded.at;
  if (phase == 1) {
    const auto& [real, fake] = judged_.at(batch.positions.front());
    return discriminator_hinge_loss(discriminator_->forward(real), discriminator_->forward(fake));
  }
  const at::Tensor x = loaded.tensors.at("frames").to(device_, precision_of(*model_));
  const models::DiagonalGaussian posterior = model_->encode(x);
  const at::Tensor y = model_->decode(latents(posterior, batch));
  const at::Tensor l1 =
      (at::avg_pool2d(x, options_.l1_pooling) - at::avg_pool2d(y, options_.l1_pooling))
          .abs()
          .mean();
  const at::Tensor grey_x = x.mean(1, true), grey_y = y.mean(1, true);
  const at::Tensor structural = 1.0 - multi_scale_similarity(grey_x, grey_y);
  const double pixels = static_cast<double>(x[0].numel());
  const at::Tensor kl = posterior.kl().mean() / pixels;
  at::Tensor reconstruction = options_.l1_weight * l1 + options_.structural_weight * structural;
  if (perceptual_) {
    const at::Tensor perceptual = (*perceptual_)(x, y);
    reconstruction = reconstruction + options_.perceptual_weight * perceptual;
    figures.emplace_back("perceptual", perceptual.item<double>());
  }
  at::Tensor total = reconstruction + options_.kl_weight * kl;
  figures.emplace_back("l1", l1.item<double>());
  figures.emplace_back("structural", structural.item<double>());
  figures.emplace_back("kl", kl.item<double>());
  if (active(1, batch.step)) {
    const at::Tensor real = judged_view(grey_x, batch, 0), fake = judged_view(grey_y, batch, 1);
    total = total + adversarial_term(reconstruction, fake, figures);
    judged_[batch.positions.front()] = {real.detach(), fake.detach()};
  }
  return total;
}

std::vector<at::Tensor> VaeRecipe::held_out_frames(std::int64_t count) const {
  std::vector<at::Tensor> frames;
  const auto seed = static_cast<std::uint64_t>(options_.training.seed);
  for (std::int64_t i = 0; i < count && !val_.empty(); ++i) {
    const NoiseKey key{seed, Stream::kDataset, static_cast<std::uint32_t>(i), 0};
    frames.push_back(random_frame(val_, i % static_cast<std::int64_t>(val_.size()), key).first);
  }
  return frames;
}

Figures VaeRecipe::validate() {
  const std::vector<at::Tensor> chosen = held_out_frames(kValidationFrames);
  if (chosen.empty()) return {};
  double l1 = 0, structural = 0, signal = 0, kl = 0;
  for (std::size_t first = 0; first < chosen.size(); first += kChunk) {
    throw_if_interrupted(kInterruptedValidation);
    const std::vector<at::Tensor> images(
        chosen.begin() + static_cast<std::ptrdiff_t>(first),
        chosen.begin() + static_cast<std::ptrdiff_t>(std::min(chosen.size(), first + kChunk)));
    const at::Tensor x = at::stack(images).to(device_);
    const models::DiagonalGaussian posterior = model_->encode(x.to(precision_of(*model_)));
    const at::Tensor y = model_->decode(posterior.mean).to(at::kFloat);
    const double share = static_cast<double>(images.size()) / static_cast<double>(chosen.size());
    l1 += share * (x - y).abs().mean().item<double>();
    structural += share * multi_scale_similarity(x.mean(1, true), y.mean(1, true)).item<double>();
    signal += share * psnr(at::avg_pool2d(x, 4), at::avg_pool2d(y.clamp(-1, 1), 4));
    kl += share * posterior.kl().mean().item<double>();
  }
  return {{"val_l1", l1}, {"val_ms_ssim", structural}, {"val_psnr_4x4", signal}, {"val_kl", kl}};
}

std::vector<NamedFrames> VaeRecipe::samples(const std::filesystem::path&) {
  const std::vector<at::Tensor> images = held_out_frames(kShown);
  if (images.empty()) return {};
  const at::Tensor x = at::stack(images).to(device_);
  const at::Tensor y = model_->decode(model_->encode(x).mean).to(at::kFloat);
  const at::Tensor both = generation::images_to_grey(at::cat({x, y}).cpu());
  return {{"reconstructions", tiled(both.split(1), x.size(0), 1.0)}};
}

double VaeRecipe::measure_scaling_factor() {
  // 1 / standard deviation of the latents, as latent diffusion rescales them (Rombach et al.,
  // 2022).
  const auto seed = static_cast<std::uint64_t>(options_.training.seed);
  std::vector<at::Tensor> means;
  for (std::int64_t first = 0; first < 256; first += kChunk) {
    std::vector<at::Tensor> images;
    for (std::int64_t i = first; i < first + kChunk; ++i) {
      const NoiseKey key{seed, Stream::kDataset, static_cast<std::uint32_t>(i), 1};
      images.push_back(
          random_frame(train_, i % static_cast<std::int64_t>(train_.size()), key).first);
    }
    means.push_back(model_->encode(at::stack(images).to(device_)).mean.to(at::kCPU));
  }
  return 1.0 / at::cat(means).std().item<double>();
}

void VaeRecipe::check_target(const std::filesystem::path& model_directory) const {
  if (!options_.freeze_encoder) warn_of_dependents(model_directory);
}

void VaeRecipe::export_model(const std::filesystem::path& model_directory, std::int64_t steps) {
  torch::NoGradGuard no_grad;
  // Latents made before keep their scale where their encoder is kept.
  const std::optional<double> kept =
      scaling_factor_of(model_directory, models::encoder_hash(model_));
  if (options_.freeze_encoder && !kept) warn_of_dependents(model_directory);
  const double scaling_factor = kept ? *kept : measure_scaling_factor();
  models::AutoencoderKLConfig model_config = model_->config();  // complete, as diffusers wants it
  model_config.scaling_factor = scaling_factor;
  const config::Json config = config::dump(config::visit_of(model_config));
  save_component(model_directory,
                 {"vae", "AutoencoderKL", config, dtype_of(options_.output.weights_dtype)},
                 *model_);
  models::update_model_info(model_directory, [&](models::ModelInfo& info) {
    info.latent_scaling_factor = scaling_factor;
    const std::int64_t size = options_.model.sample_size / model_->downsampling_factor();
    info.latent_shape = {options_.model.latent_channels, size, size};
    info.image_size = options_.model.sample_size;
    info.trained_on["vae"] =
        describe_training(options_.training, steps, options_.dataset, train_.size());
  });
  log_info("latent scaling factor " + std::to_string(scaling_factor));
}

}  // namespace echopath::training
