#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "echopath/core/random.hpp"
#include "echopath/diffusion/solver.hpp"
#include "echopath/generation/denoising.hpp"
#include "echopath/models/heart_cycle.hpp"
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
    Share none;  ///< its reference is zeros: none
  };
  /// reference [B, n, C, h, w], n the block length, on the device. A network that is conditioned on
  /// the heart's cycle is told those of the B blocks.
  References prepare(const at::Tensor& reference,
                     const std::vector<std::optional<models::HeartCycle>>& cycles) const;

  /// What the network is told of the videos that it denoises together, one label each.
  struct Batch {
    std::vector<nn::Condition> times;  ///< of each evaluation
    nn::Condition context;             ///< of their classes
    nn::Condition null_context;
  };
  Batch prepare(const std::vector<std::int64_t>& labels) const;

  /// The guided answer to sample [B, n, C, h, w] at the step with this index.
  at::Tensor predict(const at::Tensor& sample, const References& references, std::size_t index,
                     const Batch& batch) const;

  /// Noise [1, T, C, h, w] for frames of a video, on the device. `key`: the video's seed, the
  /// stream (of the initial or the solver's noise), block and step. What the frames of a block have
  /// in common, by the model's noise_correlation, all blocks of the video have.
  at::Tensor noise(at::IntArrayRef shape, const NoiseKey& key) const;

  /// A new trajectory of the options' solver.
  std::unique_ptr<diffusion::Solver> make_solver() const;

  const diffusion::NoiseSchedule& schedule() const { return schedule_; }
  at::Device device() const { return device_; }
  std::int64_t block_length() const { return block_length_; }
  double fps() const { return fps_; }

 private:
  void prepare_conditions(models::ClassEmbedding& embedding);
  /// Time embeddings of all evaluations for so many videos.
  std::vector<nn::Condition> prepare_times(std::int64_t videos) const;

  DenoisingOptions options_;
  models::Compatibility compatibility_;
  at::Device device_;
  at::ScalarType dtype_;
  diffusion::NoiseSchedule schedule_;
  std::int64_t block_length_;
  mutable models::UNetSpatioTemporalConditionModel network_{nullptr};
  double fps_;
  double noise_correlation_;
  bool takes_phase_ = false;
  std::vector<double> timesteps_;     ///< of every trajectory
  std::vector<at::Tensor> contexts_;  ///< [1, 1, D] of each class and the null
  std::vector<Batch> single_;         ///< one video of each class
  nn::Condition frame_numbers_;
};

}  // namespace echopath::generation
