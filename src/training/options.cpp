#include "echopath/training/options.hpp"

#include "echopath/models/scheduler_config.hpp"

namespace echopath::training {

namespace {

void visit_skipped_latents(config::Visitor& v, bool& skip_unreadable) {
  v.boolean("skip_unreadable", skip_unreadable,
            "leave out latents whose file is damaged, each told, instead of stopping");
}

}  // namespace

void LoopOptions::visit(config::Visitor& v) {
  v.integer("steps", steps, {1, 1'000'000'000}, "optimisation steps");
  v.integer("batch_size", batch_size, {1, 1'000'000}, "items per step over all processes");
  v.integer(
      "micro_batch_size", micro_batch_size, {0, 1'000'000},
      "items per forward pass of one process; gradients accumulate up to its share of batch_size "
      "(0: all at once)");
  v.choice("optimizer", optimizer, {"adam", "adamw", "sgd"},
           "Adam, Adam with decoupled weight decay, or gradient descent with momentum");
  v.real("learning_rate", learning_rate, {0, 10}, "peak learning rate");
  v.choice("learning_rate_schedule", learning_rate_schedule, {"constant", "cosine"},
           "constant, or half a cosine from the peak to zero over the steps");
  v.integer("warmup_steps", warmup_steps, {0, 1'000'000'000}, "linear warm-up from zero");
  v.real("adam_beta1", adam_beta1, {0, 1}, "decay of the first moment");
  v.real("adam_beta2", adam_beta2, {0, 1}, "decay of the second moment");
  v.real("adam_epsilon", adam_epsilon, {0, 1}, "added to the denominator");
  v.real("sgd_momentum", sgd_momentum, {0, 1}, "with sgd: share of the last update that is kept");
  v.real("weight_decay", weight_decay, {0, 10}, "weight decay (decoupled with adamw)");
  v.real("max_grad_norm", max_grad_norm, {0, 1e9}, "clip the gradient's L2 norm (0: do not clip)");
  v.real("ema_decay", ema_decay, {0, 1},
         "largest decay of the moving average of weights; at step n it is min(this, n/(n+9))");
  v.choice("precision", precision, {"fp32", "bf16", "fp16"},
           "float32, bfloat16 autocast, or float16 autocast with a scaled loss");
  v.boolean("activation_checkpointing", activation_checkpointing,
            "keep only the inputs of each layer of a UNet or VAE and run it again in the backward "
            "pass: less memory, more time");
  v.boolean("tf32", tf32,
            "on a GPU: float32 products and convolutions in TensorFloat-32, faster and less exact");
  v.integer("seed", seed, {0, std::numeric_limits<std::int64_t>::max()},
            "every random draw of the run is keyed by it");
  v.integer("log_every", log_every, {1, 1'000'000}, "steps between lines of metrics.jsonl");
  v.integer("validate_every", validate_every, {1, 1'000'000'000}, "steps between validations");
  v.integer("sample_every", sample_every, {0, 1'000'000'000},
            "steps between sample images and videos in TensorBoard's event file (0: none)");
  v.integer("checkpoint_every", checkpoint_every, {1, 1'000'000'000}, "steps between checkpoints");
  v.integer("keep_last", keep_last, {1, 1'000'000},
            "newest checkpoints kept; that of the best validation is kept beside them");
  v.integer("keep_every", keep_every, {0, 1'000'000'000},
            "checkpoints of steps that are a multiple of this are kept for ever (0: none)");
  v.real(
      "save_retry_seconds", save_retry_seconds, {0, 1e6},
      "where a checkpoint cannot be written (a full disk): time to the next attempt and warning");
  v.integer("max_nonfinite_steps", max_nonfinite_steps, {1, 1'000'000},
            "skipped steps in a row (loss or gradient not finite) after which training stops");
  v.real("loss_spike_factor", loss_spike_factor, {0, 1e9},
         "skip a step whose loss is above this many times the median of the last 100 (0: never)");
  v.real("time_limit_minutes", time_limit_minutes, {0, 1e9},
         "stop, save and write the model after so many minutes (0: no limit)");
  v.integer("loader_workers", loader_workers, {0, 1024},
            "threads of each process that read and draw batches ahead of the step (0: none ahead)");
  v.integer("prefetch_steps", prefetch_steps, {1, 10'000},
            "steps whose batches are held ready at most");
  v.integer("join_timeout_seconds", join_timeout_seconds, {1, 1'000'000},
            "several processes: how long one waits at the start for the others to come");
  v.real("wait_timeout_minutes", wait_timeout_minutes, {0.05, 1e6},
         "several processes: how long one waits for another later on, so longer than rank 0 takes "
         "to validate, to save or to write the model");
}

void OutputOptions::visit(config::Visitor& v) {
  v.text("model_directory", model_directory,
         "model directory to write the trained network into (empty: <run directory>/model)");
  v.choice("weights_dtype", weights_dtype, {"float32", "float16", "bfloat16"},
           "precision of the weights written there");
}

void LatentDataOptions::visit(config::Visitor& v) {
  v.text("latents", latents, "latents directory written by `echopath encode`");
  v.real("fps", fps, {0.1, 1000}, "frame rate to resample to");
  v.texts("classes", classes, "class names in the order of their ids");
  v.boolean("balance_classes", balance_classes, "draw every class equally often");
  visit_skipped_latents(v, skip_unreadable);
}

void ObjectiveOptions::visit(config::Visitor& v) {
  models::visit_schedule(v, schedule);
  v.real("class_dropout", class_dropout, {0, 1},
         "probability of replacing the class by the null token, for classifier-free guidance");
  v.real("noise_offset", noise_offset, {0, 1},
         "weight of a noise constant over space and time added to the noise");
  v.choice("loss_weighting", loss_weighting, {"uniform", "min_snr"},
           "every noise level counts alike, or as min(SNR, gamma) of the clean sample's error; the "
           "latter for epsilon, v_prediction and sample");
  v.real("min_snr_gamma", min_snr_gamma, {1e-6, 1e6}, "gamma of min_snr");
  v.integer("loss_scales", loss_scales, {1, 8},
            "1: the error of every latent cell; K: also of its averages over squares of 2, 4, … "
            "2^(K-1) cells, each weighted twice the scale before, so that what goes together over "
            "the picture, as the heartbeat does, is learnt before the texture");
  v.choice("timestep_sampling", timestep_sampling, {"uniform", "logit_normal"},
           "which noise levels are trained on: all alike, or those whose place u in the schedule "
           "has a normally distributed logit");
  v.real("logit_normal_mean", logit_normal_mean, {-100, 100},
         "mean of that logit; above 0 more of them are noisy");
  v.real("logit_normal_deviation", logit_normal_deviation, {1e-6, 100},
         "standard deviation of that logit");
}

LidmOptions::LidmOptions() {
  training.learning_rate = 3e-4;
}

void LidmOptions::visit(config::Visitor& v) {
  v.choice("architecture", architecture, {"UNet2DConditionModel", "UNet2DModel"},
           "UNet2DConditionModel: conditioned on the class (Echo-Path); UNet2DModel: unconditional "
           "(EchoNet-Synthetic)");
  if (architecture == "UNet2DModel") {
    v.nested("model", unconditional, "the network, in diffusers' keys");
  } else {
    v.nested("model", conditional, "the network, in diffusers' keys");
    v.nested("class_embedding", class_embedding, "the class token");
  }
  v.nested("data", data, "training data");
  v.nested("diffusion", diffusion, "noise schedule and objective");
  v.real("heart_phase_window", heart_phase_window, {0.01, 0.5},
         "only frames this near the moment at which hearts move least, in cycles, for an LVDM with "
         "heart_cycle_conditioning, whose videos start there (0.5: any frame; of a video whose "
         "cycle is not found, any)");
  v.section(
      "compatibility", [this](config::Visitor& c) { compatibility.visit_lidm_training(c); },
      "reproduction switches");
  v.nested("training", training, "step loop");
  v.nested("output", output, "where the trained network goes");
}

LvdmOptions::LvdmOptions() {
  training.steps = 100000;
  training.sample_every = 5000;
  diffusion.noise_offset = 0.1;
}

void LvdmOptions::visit(config::Visitor& v) {
  v.nested("model", model, "the network, in diffusers' keys");
  v.nested("class_embedding", class_embedding, "the class token");
  v.nested("data", data, "training data");
  v.nested("diffusion", diffusion, "noise schedule and objective");
  v.integer("block_length", block_length, {2, 4096}, "frames of a clip");
  v.integer("context_frames", context_frames, {1, 4096},
            "largest number of given frames at the start of a clip; each clip draws 1 to this");
  v.choice("held_frame", held_frame, {"last_given", "heart_frame"},
           "what the reference holds behind the given frames: the last of them; or the heart frame "
           "that the video starts from, so that the anatomy stays over the blocks (of a training "
           "video a frame that heart_phase_window allows)");
  v.real("heart_phase_window", heart_phase_window, {0.01, 0.5},
         "held heart frames are this near the moment at which hearts move least, in cycles, as the "
         "LIDM's with the same key (0.5: any frame)");
  v.real("reference_noise", reference_noise, {0, 1},
         "largest standard deviation of noise added to the given and the held frames");
  v.real("reference_dropout", reference_dropout, {0, 1},
         "probability of giving zeros in place of the given frames, for guidance by the frame");
  v.real("noise_correlation", noise_correlation, {0, 0.99},
         "part of the noise's variance that all frames of a clip have in common, in training and "
         "sampling: less of what is made differs from frame to frame");
  v.boolean("heart_cycle_conditioning", heart_cycle_conditioning,
            "two more input channels tell how far the heart is in its cycle, which is measured on "
            "the latents");
  v.real("heart_cycle_dropout", heart_cycle_dropout, {0, 1},
         "probability of giving zeros in their place, as where no cycle is found");
  v.section(
      "compatibility", [this](config::Visitor& c) { compatibility.visit_lvdm_training(c); },
      "reproduction switches");
  v.nested("training", training, "step loop");
  v.nested("output", output, "where the trained network goes");
}

VaeOptions::VaeOptions() {
  training.max_grad_norm = 1.0;
}

void VaeOptions::visit(config::Visitor& v) {
  v.nested("model", model, "the network, in diffusers' keys");
  v.section(
      "data",
      [this](config::Visitor& d) {
        d.text("dataset", dataset, "dataset directory with FileList.csv and Videos/");
        d.real("cache_gigabytes", cache_gigabytes, {0, 10000}, "decoded videos kept in memory");
        d.boolean("skip_unreadable", skip_unreadable,
                  "pass over videos that cannot be decoded, each told once, instead of stopping");
      },
      "training data");
  v.boolean("freeze_encoder", freeze_encoder,
            "train the decoder only, so that latents encoded before stay what they are");
  v.choice("posterior", posterior, {"sample", "mean"},
           "what the decoder learns from: draws, or the mean (with freeze_encoder, for diffusion "
           "models that were trained on means)");
  v.section(
      "loss",
      [this](config::Visitor& d) {
        d.real("l1_weight", l1_weight, {0, 1e6}, "mean absolute error");
        d.integer("l1_pooling", l1_pooling, {1, 64},
                  "side of the pixel blocks averaged before the absolute error; above 1 the "
                  "structure is held and the speckle left to the adversarial loss");
        d.real("structural_weight", structural_weight, {0, 1e6},
               "1 - multi-scale structural similarity");
        d.real("perceptual_weight", perceptual_weight, {0, 1e6},
               "distance in the features of a frozen classifier of our own, at five depths");
        d.text("perceptual_model", perceptual_model,
               "model directory that holds it (`echopath train classifier` with architecture "
               "resnet50)");
        d.text("perceptual_component", perceptual_component, "its folder there");
        d.real("kl_weight", kl_weight, {0, 1e6}, "KL divergence, summed over a latent, per pixel");
        d.real("adversarial_weight", adversarial_weight, {0, 1e6},
               "hinge loss of a patch discriminator, scaled to the reconstruction's gradient");
        d.integer("adversarial_start", adversarial_start, {0, 1'000'000'000},
                  "first step with the adversarial loss");
        d.integer("discriminator_channels", discriminator_channels, {1, 1024},
                  "channels of the discriminator's first layer");
        d.integer("discriminator_layers", discriminator_layers, {1, 8},
                  "stride-2 layers of the discriminator");
        d.real("discriminator_learning_rate", discriminator_learning_rate, {0, 10},
               "0: the learning rate of the autoencoder");
        d.real("discriminator_noise", discriminator_noise, {0, 10},
               "standard deviation of the noise on what the discriminator sees");
      },
      "terms of the loss");
  v.nested("training", training, "step loop");
  v.nested("output", output, "where the trained network goes");
}

ReidOptions::ReidOptions() {
  training.batch_size = 128;
  training.ema_decay = 0.0;  // EchoNet-Synthetic has neither an average nor clipping
  training.max_grad_norm = 0.0;
}

void ReidOptions::visit(config::Visitor& v) {
  v.nested("model", model, "the network");
  v.section(
      "data",
      [this](config::Visitor& d) {
        d.text("latents", latents, "latents directory written by `echopath encode`");
        visit_skipped_latents(d, skip_unreadable);
      },
      "training data");
  v.integer("patience", patience, {1, 1'000'000},
            "validations without a better loss after which training stops");
  v.section(
      "threshold",
      [this](config::Visitor& d) {
        d.real("percentile", threshold_percentile, {0, 100},
               "percentile of the largest similarities that becomes the threshold");
        d.integer("embedding_frames", embedding_frames, {1, 4096},
                  "frames per video whose embeddings are kept (1: the first frame only)");
      },
      "the privacy gate's threshold");
  v.section(
      "compatibility", [this](config::Visitor& c) { compatibility.visit_privacy(c); },
      "reproduction switches");
  v.nested("training", training, "step loop");
  v.nested("output", output, "where the trained network goes");
}

}  // namespace echopath::training
