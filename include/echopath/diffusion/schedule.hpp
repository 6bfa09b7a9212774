#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

namespace echopath::diffusion {

/// The forward process q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I) and what the network predicts.
/// Field names are those of a diffusers scheduler_config.json. Defaults: EchoPath's published code.
struct NoiseScheduleOptions {
  std::int64_t num_train_timesteps = 1000;
  double beta_start = 1e-4;
  double beta_end = 0.02;
  std::string beta_schedule = "linear";          ///< linear, scaled_linear, squaredcos_cap_v2
  bool rescale_betas_zero_snr = false;           ///< Lin et al. 2023, algorithm 1
  std::string prediction_type = "v_prediction";  ///< epsilon, v_prediction, sample
};

/// Discrete noise schedule with N training timesteps. All tensor functions take `[B, …]` of any
/// rank, `t` either int64 `[B]` (kept on the CPU, it costs no synchronisation) or one number for
/// the whole batch, and answer on the device of their inputs, in float32 for half-precision inputs.
class NoiseSchedule {
 public:
  /// Throws ConfigError on an unknown schedule or prediction type, betas outside (0, 1), or
  /// epsilon-prediction with a zero terminal signal.
  explicit NoiseSchedule(const NoiseScheduleOptions& options = {});

  const NoiseScheduleOptions& options() const { return options_; }
  std::int64_t num_train_timesteps() const { return options_.num_train_timesteps; }
  /// ᾱ, float64 `[N]` on the CPU, computed in float32 as diffusers does.
  const at::Tensor& alphas_cumprod() const { return alphas_cumprod_; }
  /// ᾱ_t; 1 for t < 0 (clean data).
  double alpha_cumprod(std::int64_t t) const;

  /// x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε.
  at::Tensor add_noise(const at::Tensor& x0, const at::Tensor& noise, const at::Tensor& t) const;
  at::Tensor add_noise(const at::Tensor& x0, const at::Tensor& noise, std::int64_t t) const;

  /// What the network is trained to answer: ε, x_0, or v = √ᾱ_t ε − √(1 − ᾱ_t) x_0 (Salimans and
  /// Ho 2022).
  at::Tensor target(const at::Tensor& x0, const at::Tensor& noise, const at::Tensor& t) const;

  /// The clean sample that a model output implies at x_t.
  at::Tensor predict_x0(const at::Tensor& model_output, const at::Tensor& x_t,
                        const at::Tensor& t) const;
  at::Tensor predict_x0(const at::Tensor& model_output, const at::Tensor& x_t,
                        std::int64_t t) const;

  /// The noise that a model output implies at x_t.
  at::Tensor predict_epsilon(const at::Tensor& model_output, const at::Tensor& x_t,
                             const at::Tensor& t) const;
  at::Tensor predict_epsilon(const at::Tensor& model_output, const at::Tensor& x_t,
                             std::int64_t t) const;

 private:
  NoiseScheduleOptions options_;
  at::Tensor alphas_cumprod_;
};

}  // namespace echopath::diffusion
