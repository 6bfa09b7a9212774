#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "echopath/diffusion/schedule.hpp"
#include "echopath/generation/denoising.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::generation {

/// Draws the heart: one latent frame of a class from the LIDM.
class HeartSampler {
 public:
  /// Throws DataError where the model directory has no LIDM, or one for other latents.
  HeartSampler(const models::ModelDirectory& model, const DenoisingOptions& options,
               at::Device device, const models::Compatibility& compatibility = {});

  /// A latent frame `[C, h, w]`, float32 on the CPU, multiplied by the latent scaling factor. The
  /// noise depends on the video's seed and the attempt alone, so attempt 1 is the first redraw of
  /// attempt 0. `label` is a class index; an LIDM without conditioning ignores it.
  at::Tensor sample(std::int64_t label, std::uint64_t seed, std::uint32_t attempt,
                    const StepCallback& on_step = {}) const;

 private:
  DenoisingOptions options_;
  models::Compatibility compatibility_;
  at::Device device_;
  at::ScalarType dtype_;
  diffusion::NoiseSchedule schedule_;
  std::vector<std::int64_t> latent_shape_;
  std::unique_ptr<models::LatentImageModel> network_;
  std::vector<double> timesteps_;      ///< of every trajectory
  std::vector<nn::Condition> times_;   ///< of each of them
  std::vector<nn::Condition> tokens_;  ///< of each class and the null; empty: unconditional
};

}  // namespace echopath::generation
