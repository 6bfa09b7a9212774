#include "echopath/diffusion/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"

namespace echopath::diffusion {
namespace {

/// Betas for which ᾱ follows a squared cosine (Nichol and Dhariwal 2021), each at most 0.999.
at::Tensor squared_cosine_betas(std::int64_t steps) {
  const auto alpha_bar = [](double u) {
    const double c = std::cos((u + 0.008) / 1.008 * std::numbers::pi / 2.0);
    return c * c;
  };
  std::vector<double> betas(static_cast<std::size_t>(steps));
  for (std::int64_t i = 0; i < steps; ++i) {
    const double now = alpha_bar(static_cast<double>(i) / static_cast<double>(steps));
    const double next = alpha_bar(static_cast<double>(i + 1) / static_cast<double>(steps));
    betas[static_cast<std::size_t>(i)] = std::min(1.0 - next / now, 0.999);
  }
  return at::tensor(betas, at::kDouble).to(at::kFloat);
}

at::Tensor make_betas(const NoiseScheduleOptions& options) {
  const auto n = options.num_train_timesteps;
  if (options.beta_schedule == "linear") {
    return at::linspace(options.beta_start, options.beta_end, n, at::kFloat);
  }
  if (options.beta_schedule == "scaled_linear") {
    return at::linspace(std::sqrt(options.beta_start), std::sqrt(options.beta_end), n, at::kFloat)
        .square();
  }
  if (options.beta_schedule == "squaredcos_cap_v2") return squared_cosine_betas(n);
  throw ConfigError("beta_schedule '" + options.beta_schedule + "' is unknown; use one of " +
                    join(beta_schedule_names(), ", "));
}

/// Shifts √ᾱ so that the last is 0 and scales it so that the first is unchanged (Lin et al. 2023,
/// algorithm 1). Answers betas.
at::Tensor rescale_to_zero_terminal_snr(const at::Tensor& betas) {
  // Rounded from float64: float32 roots differ between processors in their last bit, and
  // differences of nearly equal ones magnify it.
  const at::Tensor root = at::cumprod(1.0 - betas, 0).to(at::kDouble).sqrt().to(at::kFloat);
  const double first = root[0].item<float>();
  const at::Tensor shifted = root - root[-1];
  const at::Tensor bars = (shifted * (first / shifted[0].item<float>())).square();
  const at::Tensor alphas = at::cat({bars.slice(0, 0, 1), bars.slice(0, 1) / bars.slice(0, 0, -1)});
  return 1.0 - alphas;
}

void check(const NoiseScheduleOptions& options) {
  if (options.num_train_timesteps < 1) {
    throw ConfigError("num_train_timesteps must be at least 1, not " +
                      std::to_string(options.num_train_timesteps));
  }
  if (!(options.beta_start > 0.0 && options.beta_start <= options.beta_end &&
        options.beta_end < 1.0)) {
    throw ConfigError("beta_start and beta_end must satisfy 0 < beta_start <= beta_end < 1");
  }
  const auto& type = options.prediction_type;
  const auto& known = prediction_type_names();
  if (std::find(known.begin(), known.end(), type) == known.end()) {
    throw ConfigError("prediction_type '" + type + "' is unknown; use one of " + join(known, ", "));
  }
  if (options.is_flow() && options.rescale_betas_zero_snr) {
    throw ConfigError(
        "rescale_betas_zero_snr changes betas, which flow_prediction does not use: leave it out");
  }
}

at::Tensor widen(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
}

/// The levels of a batch, each shaped to multiply `[B, …]`.
struct BatchLevels {
  at::Tensor signal;
  at::Tensor noise;
};

BatchLevels levels(const at::Tensor& signals, const at::Tensor& noises, const at::Tensor& t,
                   const at::Tensor& like) {
  TORCH_CHECK(t.dim() == 1 && t.size(0) == like.size(0), "t must be [B], one timestep per item");
  std::vector<std::int64_t> shape(static_cast<std::size_t>(like.dim()), 1);
  shape[0] = t.size(0);
  const at::Tensor index = t.to(at::kCPU, at::kLong);
  const auto options =
      like.options().dtype(like.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
  return {signals.index_select(0, index).view(shape).to(options),
          noises.index_select(0, index).view(shape).to(options)};
}

template <class Level>
at::Tensor mix(const at::Tensor& x0, const at::Tensor& noise, const Level& level) {
  return widen(x0) * level.signal + widen(noise) * level.noise;
}

template <class Level>
at::Tensor x0_of(const std::string& type, const at::Tensor& output, const at::Tensor& x,
                 const Level& level) {
  const at::Tensor y = widen(output);
  if (type == "sample") return y;
  if (type == "epsilon") return (widen(x) - y * level.noise) / level.signal;
  if (type == "flow_prediction") return widen(x) - y * level.noise;
  return widen(x) * level.signal - y * level.noise;
}

template <class Level>
at::Tensor epsilon_of(const std::string& type, const at::Tensor& output, const at::Tensor& x,
                      const Level& level) {
  const at::Tensor y = widen(output);
  if (type == "epsilon") return y;
  if (type == "sample") return (widen(x) - y * level.signal) / level.noise;
  if (type == "flow_prediction") return widen(x) + y * level.signal;
  return y * level.signal + widen(x) * level.noise;
}

}  // namespace

const std::vector<std::string>& beta_schedule_names() {
  static const std::vector<std::string> names = {"linear", "scaled_linear", "squaredcos_cap_v2"};
  return names;
}

const std::vector<std::string>& prediction_type_names() {
  static const std::vector<std::string> names = {"epsilon", "v_prediction", "sample",
                                                 "flow_prediction"};
  return names;
}

NoiseSchedule::NoiseSchedule(const NoiseScheduleOptions& options) : options_(options) {
  check(options_);
  if (is_flow()) {
    const auto n = num_train_timesteps();
    noises_ = at::arange(n + 1, at::kDouble) / static_cast<double>(n);
    signals_ = 1.0 - noises_;
    alphas_cumprod_ = signals_.square();
    return;
  }
  at::Tensor betas = make_betas(options_);
  if (options_.rescale_betas_zero_snr) betas = rescale_to_zero_terminal_snr(betas);
  alphas_cumprod_ = at::cumprod(1.0 - betas, 0).to(at::kDouble);
  signals_ = alphas_cumprod_.sqrt();
  noises_ = (1.0 - alphas_cumprod_).sqrt();
}

NoiseLevel NoiseSchedule::level(std::int64_t t) const {
  if (t < 0) return {};
  TORCH_CHECK(t < alphas_cumprod_.size(0), "timestep ", t, " is outside the schedule");
  return {signals_.const_data_ptr<double>()[t], noises_.const_data_ptr<double>()[t],
          alphas_cumprod_.const_data_ptr<double>()[t]};
}

double NoiseSchedule::alpha_cumprod(std::int64_t t) const {
  return level(t).alpha_cumprod;
}

at::Tensor NoiseSchedule::add_noise(const at::Tensor& x0, const at::Tensor& noise,
                                    const at::Tensor& t) const {
  return mix(x0, noise, levels(signals_, noises_, t, x0));
}

at::Tensor NoiseSchedule::add_noise(const at::Tensor& x0, const at::Tensor& noise,
                                    std::int64_t t) const {
  return mix(x0, noise, level(t));
}

at::Tensor NoiseSchedule::add_noise(const at::Tensor& x0, const at::Tensor& noise,
                                    const NoiseLevel& level) const {
  return mix(x0, noise, level);
}

at::Tensor NoiseSchedule::target(const at::Tensor& x0, const at::Tensor& noise,
                                 const at::Tensor& t) const {
  if (options_.prediction_type == "epsilon") return widen(noise);
  if (options_.prediction_type == "sample") return widen(x0);
  if (is_flow()) return widen(noise) - widen(x0);
  const auto level = levels(signals_, noises_, t, x0);
  return widen(noise) * level.signal - widen(x0) * level.noise;
}

at::Tensor NoiseSchedule::predict_x0(const at::Tensor& model_output, const at::Tensor& x_t,
                                     const at::Tensor& t) const {
  return x0_of(options_.prediction_type, model_output, x_t, levels(signals_, noises_, t, x_t));
}

at::Tensor NoiseSchedule::predict_x0(const at::Tensor& model_output, const at::Tensor& x_t,
                                     std::int64_t t) const {
  return x0_of(options_.prediction_type, model_output, x_t, level(t));
}

at::Tensor NoiseSchedule::predict_x0(const at::Tensor& model_output, const at::Tensor& x_t,
                                     const NoiseLevel& level) const {
  return x0_of(options_.prediction_type, model_output, x_t, level);
}

at::Tensor NoiseSchedule::predict_epsilon(const at::Tensor& model_output, const at::Tensor& x_t,
                                          const at::Tensor& t) const {
  return epsilon_of(options_.prediction_type, model_output, x_t, levels(signals_, noises_, t, x_t));
}

at::Tensor NoiseSchedule::predict_epsilon(const at::Tensor& model_output, const at::Tensor& x_t,
                                          std::int64_t t) const {
  return epsilon_of(options_.prediction_type, model_output, x_t, level(t));
}

at::Tensor NoiseSchedule::predict_epsilon(const at::Tensor& model_output, const at::Tensor& x_t,
                                          const NoiseLevel& level) const {
  return epsilon_of(options_.prediction_type, model_output, x_t, level);
}

}  // namespace echopath::diffusion
