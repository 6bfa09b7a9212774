#include "echopath/diffusion/noise_level.hpp"

#include <cmath>

namespace echopath::diffusion {

NoiseLevel NoiseLevel::of_alpha_cumprod(double alpha_cumprod) {
  return {std::sqrt(alpha_cumprod), std::sqrt(1.0 - alpha_cumprod), alpha_cumprod};
}

NoiseLevel NoiseLevel::of_sigma(double sigma) {
  const double signal = 1.0 / std::sqrt(sigma * sigma + 1.0);
  return {signal, sigma * signal, signal * signal};
}

NoiseLevel NoiseLevel::on_straight_path(double sigma) {
  const double signal = 1.0 - sigma;
  return {signal, sigma, signal * signal};
}

double NoiseLevel::log_snr() const {
  return std::log(signal) - std::log(noise);
}

}  // namespace echopath::diffusion
