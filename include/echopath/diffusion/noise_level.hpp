#pragma once

namespace echopath::diffusion {

/// How noisy a sample is: x = signal·x_0 + noise·ε.
struct NoiseLevel {
  double signal = 1.0;
  double noise = 0.0;
  /// signal², kept as it was given: squaring a rounded root would not give it back.
  double alpha_cumprod = 1.0;

  /// Variance preserving, signal² + noise² = 1, from ᾱ = signal².
  static NoiseLevel of_alpha_cumprod(double alpha_cumprod);
  /// Variance preserving, from σ = noise / signal.
  static NoiseLevel of_sigma(double sigma);
  /// On the straight path of flow matching (Lipman et al. 2023): x = (1 − σ)·x_0 + σ·ε.
  static NoiseLevel on_straight_path(double sigma);

  /// noise / signal.
  double sigma() const { return noise / signal; }
  /// λ = ln(signal / noise), ∞ for clean data.
  double log_snr() const;
  bool clean() const { return noise == 0.0; }
};

}  // namespace echopath::diffusion
