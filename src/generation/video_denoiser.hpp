#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "echopath/diffusion/solver.hpp"
#include "echopath/generation/denoising.hpp"
#include "echopath/models/model_directory.hpp"

namespace echopath::generation {

/// The LVDM under guidance, asked for clips of its block length. What does not change over a
/// sampler's life (time embeddings, class contexts, frame numbers) is computed once.
class VideoDenoiser {
 public:
  /// Throws DataError where the model directory has no LVDM, or one for other latents.
  VideoDenoiser(const models::ModelDirectory& model, const DenoisingOptions& options,
                at::Device device, const models::Compatibility& compatibility);

  /// The first convolution's share of reference channels, which stay the same over a trajectory.
  struct References {
    using Share = std::shared_ptr<const nn::Conv2dOfKnownChannels>;
    Share given;
    Share none;  ///< of zeros: no reference
  };
  /// reference [1, n, C, h, w], n the block length, on the device.
  References prepare(const at::Tensor& reference) const;

  /// The guided answer to sample [1, n, C, h, w] at the step with this index.
  at::Tensor predict(const at::Tensor& sample, const References& references, std::size_t index,
                     std::int64_t label) const;

  /// A new trajectory of the options' solver.
  std::unique_ptr<diffusion::Solver> make_solver() const;

  const diffusion::NoiseSchedule& schedule() const { return schedule_; }
  at::Device device() const { return device_; }
  std::int64_t block_length() const { return block_length_; }

 private:
  void prepare_conditions(models::ClassEmbedding& embedding, double fps);

  DenoisingOptions options_;
  models::Compatibility compatibility_;
  at::Device device_;
  diffusion::NoiseSchedule schedule_;
  std::int64_t block_length_;
  mutable models::UNetSpatioTemporalConditionModel network_{nullptr};
  std::vector<double> timesteps_;      ///< of every trajectory
  std::vector<nn::Condition> times_;   ///< of each of them
  std::vector<nn::Condition> tokens_;  ///< of each class and the null
  nn::Condition frame_numbers_;
};

}  // namespace echopath::generation
