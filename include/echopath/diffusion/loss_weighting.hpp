#pragma once

#include <ATen/ATen.h>

#include "echopath/diffusion/schedule.hpp"

namespace echopath::diffusion {

/// Whether min_snr_weights() is defined for what the network predicts: all but a flow.
bool has_min_snr_weights(const NoiseScheduleOptions& schedule);

/// Min-SNR-γ weights (Hang et al. 2023, "Efficient diffusion training via min-SNR weighting
/// strategy") of the mean squared error of what the network predicts, for timesteps t [B]; [B],
/// float32 on the CPU. With SNR = ᾱ/(1 − ᾱ) the error of x_0 weighs min(SNR, γ), which is
/// min(SNR, γ)/SNR of the error of ε, and min(SNR, γ)/(SNR + 1) of that of v. Throws ConfigError
/// for a flow.
at::Tensor min_snr_weights(const NoiseSchedule& schedule, const at::Tensor& t, double gamma);

}  // namespace echopath::diffusion
