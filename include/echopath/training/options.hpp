#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "echopath/config/options.hpp"
#include "echopath/diffusion/schedule.hpp"
#include "echopath/models/autoencoder_kl.hpp"
#include "echopath/models/class_embedding.hpp"
#include "echopath/models/compatibility.hpp"
#include "echopath/models/reid.hpp"
#include "echopath/models/unet_2d.hpp"
#include "echopath/models/unet_2d_condition.hpp"
#include "echopath/models/unet_spatio_temporal.hpp"

namespace echopath::training {

/// The step loop, the same for every network.
struct LoopOptions {
  std::int64_t steps = 5000;
  std::int64_t batch_size = 16;
  std::int64_t micro_batch_size = 0;
  std::string optimizer = "adam";
  double learning_rate = 1e-4;
  std::string learning_rate_schedule = "constant";
  std::int64_t warmup_steps = 0;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_epsilon = 1e-8;
  double sgd_momentum = 0.9;
  double weight_decay = 0.0;
  double max_grad_norm = 1.0;
  double ema_decay = 0.9999;
  std::string precision = "fp32";
  bool activation_checkpointing = false;
  bool tf32 = false;
  std::int64_t seed = 42;
  std::int64_t log_every = 10;
  std::int64_t validate_every = 500;
  std::int64_t sample_every = 1000;
  std::int64_t checkpoint_every = 500;
  std::int64_t keep_last = 2;
  std::int64_t keep_every = 0;
  double save_retry_seconds = 60.0;
  std::int64_t max_nonfinite_steps = 10;
  double loss_spike_factor = 0.0;
  double time_limit_minutes = 0.0;
  std::int64_t loader_workers = 1;
  std::int64_t prefetch_steps = 2;
  std::int64_t join_timeout_seconds = 300;
  double wait_timeout_minutes = 30.0;
  void visit(config::Visitor& v);
};

/// Where the trained network goes.
struct OutputOptions {
  std::string model_directory;
  std::string weights_dtype = "float32";
  void visit(config::Visitor& v);
};

/// Latents to train on.
struct LatentDataOptions {
  std::string latents;
  double fps = 32.0;
  std::vector<std::string> classes = {"ASD", "Non-ASD", "Non-PAH", "PAH"};
  bool balance_classes = false;
  bool skip_unreadable = false;
  void visit(config::Visitor& v);
};

/// The diffusion objective, shared by LIDM and LVDM.
struct ObjectiveOptions {
  diffusion::NoiseScheduleOptions schedule;
  double class_dropout = 0.1;
  double noise_offset = 0.0;
  std::string loss_weighting = "uniform";
  double min_snr_gamma = 5.0;
  /// Scales of the error: 1, or also averages over 2x2, 4x4, … latent cells (Hoogeboom et al.
  /// 2023, "Simple diffusion", multiscale loss), each counting twice the one before.
  std::int64_t loss_scales = 1;
  std::string timestep_sampling = "uniform";
  double logit_normal_mean = 0.0;
  double logit_normal_deviation = 1.0;
  void visit(config::Visitor& v);
};

struct LidmOptions {
  std::string architecture = "UNet2DConditionModel";
  models::UNet2DConditionConfig conditional;
  models::UNet2DConfig unconditional;
  models::ClassEmbeddingConfig class_embedding;
  LatentDataOptions data;
  ObjectiveOptions diffusion;
  double heart_phase_window = 0.5;
  models::Compatibility compatibility;
  LoopOptions training;
  OutputOptions output;
  LidmOptions();
  void visit(config::Visitor& v);
};

struct LvdmOptions {
  models::UNetSpatioTemporalConfig model;
  models::ClassEmbeddingConfig class_embedding;
  LatentDataOptions data;
  ObjectiveOptions diffusion;
  std::int64_t block_length = 64;
  std::int64_t context_frames = 1;
  std::string held_frame = "last_given";
  double heart_phase_window = 0.5;
  double reference_noise = 0.0;
  double reference_dropout = 0.0;
  double noise_correlation = 0.0;
  bool heart_cycle_conditioning = false;
  double heart_cycle_dropout = 0.1;
  models::Compatibility compatibility;
  LoopOptions training;
  OutputOptions output;
  LvdmOptions();
  void visit(config::Visitor& v);
};

struct VaeOptions {
  models::AutoencoderKLConfig model;
  std::string dataset;
  double cache_gigabytes = 4.0;
  bool skip_unreadable = false;
  bool freeze_encoder = false;
  std::string posterior = "sample";
  double l1_weight = 1.0;
  std::int64_t l1_pooling = 1;
  double structural_weight = 0.5;
  double perceptual_weight = 0.0;
  std::string perceptual_model;
  std::string perceptual_component = "classifier";
  double kl_weight = 1e-6;
  double adversarial_weight = 0.5;
  std::int64_t adversarial_start = 50001;
  std::int64_t discriminator_channels = 64;
  std::int64_t discriminator_layers = 3;
  double discriminator_learning_rate = 0.0;
  double discriminator_noise = 0.0;
  LoopOptions training;
  OutputOptions output;
  VaeOptions();
  void visit(config::Visitor& v);
};

struct ReidOptions {
  models::ReIdConfig model;
  std::string latents;
  bool skip_unreadable = false;
  std::int64_t patience = 50;
  std::int64_t embedding_frames = 8;
  double threshold_percentile = 95.0;
  models::Compatibility compatibility;
  LoopOptions training;
  OutputOptions output;
  ReidOptions();
  void visit(config::Visitor& v);
};

}  // namespace echopath::training
