#include "echopath/generation/heart_sampler.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/random.hpp"
#include "echopath/diffusion/guidance.hpp"
#include "echopath/models/padding.hpp"
#include "generation/denoise.hpp"

namespace echopath::generation {

HeartSampler::HeartSampler(const models::ModelDirectory& model, const DenoisingOptions& options,
                           at::Device device, const models::Compatibility& compatibility)
    : options_(options),
      compatibility_(compatibility),
      device_(device),
      dtype_(parse_precision(options.precision)),
      schedule_(model.schedule()),
      latent_shape_(model.info().latent_shape) {
  model.require({"lidm"});
  network_ = model.load_lidm(device);
  network_->module().to(dtype_);
  const config::Json config = network_->config_json();
  require_channels(latent_shape_, config.at("in_channels"),
                   latent_shape_.empty() ? 0 : latent_shape_[0], config.at("out_channels"), "LIDM",
                   model.path().string());
  if (config.contains("sample_size") && config.at("sample_size").is_number_integer()) {
    require_size(latent_shape_, config.at("sample_size").get<std::int64_t>(), "LIDM",
                 model.path().string());
  }
  timesteps_ = diffusion::make_solver(schedule_, options_.solver)->timesteps();
  for (const double t : timesteps_) {
    times_.push_back(network_->prepare_time(at::full({1}, t, at::kFloat).to(device)));
  }
  if (!network_->conditional()) return;
  model.require({"class_embedding/lidm"});
  models::ClassEmbedding embedding = model.load_class_embedding("lidm", device, compatibility);
  if (embedding->context_width() != network_->context_width()) {
    throw DataError(model.path().string() + ": the LIDM's class embedding is " +
                    std::to_string(embedding->context_width()) +
                    " wide, its cross_attention_dim is " +
                    std::to_string(network_->context_width()));
  }
  for (const at::Tensor& context : every_context(embedding, options.ejection_fraction, device)) {
    tokens_.push_back(network_->prepare_context(context));
  }
}

at::Tensor HeartSampler::sample(std::int64_t label, std::uint64_t seed, std::uint32_t attempt,
                                const StepCallback& on_step) const {
  const at::NoGradGuard no_grad;
  std::vector<std::int64_t> shape = latent_shape_;
  shape.insert(shape.begin(), 1);
  const diffusion::GuidanceOptions guidance =
      tokens_.empty() ? diffusion::GuidanceOptions{} : options_.guidance;
  const auto noise = [&](std::uint32_t place) {
    return normal_tensor(shape, {seed, Stream::kHeartFrame, attempt, place}).to(device_);
  };
  const auto predict = [&](const at::Tensor& sample, std::size_t index) {
    models::PaddedLatents padded = models::pad_latents(sample, 8, compatibility_);
    padded.latents = padded.latents.to(dtype_);
    const auto branch = [&](diffusion::Conditions given) {
      nn::Condition context;
      if (!tokens_.empty()) {
        context = given.label ? tokens_.at(static_cast<std::size_t>(label)) : tokens_.back();
      }
      return models::unpad_latents(
                 network_->predict_prepared(padded.latents, times_.at(index), context), padded)
          .to(at::kFloat);
    };
    return diffusion::guided_prediction(branch, guidance,
                                        noise_level(schedule_, timesteps_.at(index)));
  };
  const auto solver = diffusion::make_solver(schedule_, options_.solver);
  const Trajectory trajectory{
      predict,
      [&](std::size_t i) { return noise(static_cast<std::uint32_t>(i + 1)); },
      {},
      on_step};
  return denoise(*solver, noise(0), trajectory).squeeze(0).cpu();
}

}  // namespace echopath::generation
