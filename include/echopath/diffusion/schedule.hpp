#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/diffusion/noise_level.hpp"

namespace echopath::diffusion {

/// The forward process and what the network predicts. Field names are those of a diffusers
/// scheduler_config.json. Defaults: EchoPath's published code.
struct NoiseScheduleOptions {
  std::int64_t num_train_timesteps = 1000;
  double beta_start = 1e-4;
  double beta_end = 0.02;
  std::string beta_schedule = "linear";          ///< one of beta_schedule_names()
  bool rescale_betas_zero_snr = false;           ///< Lin et al. 2024, algorithm 1
  std::string prediction_type = "v_prediction";  ///< one of prediction_type_names()

  bool is_flow() const { return prediction_type == "flow_prediction"; }
  /// The lowest timestep to train on: 1 for a flow, whose timestep 0 is clean data.
  std::int64_t first_timestep() const { return is_flow() ? 1 : 0; }
};

/// linear, scaled_linear, squaredcos_cap_v2.
const std::vector<std::string>& beta_schedule_names();
/// epsilon, v_prediction, sample, flow_prediction.
const std::vector<std::string>& prediction_type_names();

/// Discrete noise schedule with N training timesteps.
///
/// Betas give the variance-preserving process x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε, t = 0…N−1. With
/// flow_prediction the process is the straight path x_t = (1 − σ) x_0 + σ ε with σ = t/N, t = 1…N,
/// as diffusers numbers them (Lipman et al. 2023); the betas play no part in it.
///
/// All tensor functions take `[B, …]` of any rank and, for the noise level, `t` as int64 `[B]`
/// (kept on the CPU, it costs no synchronisation), one timestep for the whole batch, or the level
/// itself. They answer on the device of their inputs, in float32 for half-precision inputs.
class NoiseSchedule {
 public:
  /// Throws ConfigError on an unknown schedule or prediction type, betas outside (0, 1), or a zero
  /// terminal signal with flow-prediction.
  explicit NoiseSchedule(const NoiseScheduleOptions& options = {});

  const NoiseScheduleOptions& options() const { return options_; }
  std::int64_t num_train_timesteps() const { return options_.num_train_timesteps; }
  bool is_flow() const { return options_.is_flow(); }
  /// ᾱ (signal²), float64 on the CPU from timestep 0 on: `[N]`, computed in float32 as diffusers
  /// does, or `[N + 1]` on the straight path.
  const at::Tensor& alphas_cumprod() const { return alphas_cumprod_; }
  /// ᾱ_t; 1 for t < 0 (clean data).
  double alpha_cumprod(std::int64_t t) const;
  /// The noise level of timestep t; clean data for t < 0.
  NoiseLevel level(std::int64_t t) const;

  /// x_t = signal·x_0 + noise·ε.
  at::Tensor add_noise(const at::Tensor& x0, const at::Tensor& noise, const at::Tensor& t) const;
  at::Tensor add_noise(const at::Tensor& x0, const at::Tensor& noise, std::int64_t t) const;
  at::Tensor add_noise(const at::Tensor& x0, const at::Tensor& noise,
                       const NoiseLevel& level) const;

  /// What the network is trained to answer: ε, x_0, v = √ᾱ_t ε − √(1 − ᾱ_t) x_0 (Salimans and Ho
  /// 2022), or the flow ε − x_0.
  at::Tensor target(const at::Tensor& x0, const at::Tensor& noise, const at::Tensor& t) const;

  /// The clean sample that a model output implies at x_t.
  at::Tensor predict_x0(const at::Tensor& model_output, const at::Tensor& x_t,
                        const at::Tensor& t) const;
  at::Tensor predict_x0(const at::Tensor& model_output, const at::Tensor& x_t,
                        std::int64_t t) const;
  at::Tensor predict_x0(const at::Tensor& model_output, const at::Tensor& x_t,
                        const NoiseLevel& level) const;

  /// The noise that a model output implies at x_t.
  at::Tensor predict_epsilon(const at::Tensor& model_output, const at::Tensor& x_t,
                             const at::Tensor& t) const;
  at::Tensor predict_epsilon(const at::Tensor& model_output, const at::Tensor& x_t,
                             std::int64_t t) const;
  at::Tensor predict_epsilon(const at::Tensor& model_output, const at::Tensor& x_t,
                             const NoiseLevel& level) const;

 private:
  NoiseScheduleOptions options_;
  at::Tensor alphas_cumprod_;
  at::Tensor signals_;  ///< float64 on the CPU, by timestep
  at::Tensor noises_;
};

}  // namespace echopath::diffusion
