#include "generation/sample_options.hpp"

#include <algorithm>
#include <limits>

#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "echopath/generation/block_sampler.hpp"
#include "generation/denoise.hpp"
#include "generation/output_formats.hpp"

namespace echopath::generation {
namespace {

void check_other_formats(const std::vector<std::string>& formats) {
  const std::vector<std::string>& known = other_formats();
  for (const std::string& format : formats) {
    if (std::find(known.begin(), known.end(), format) != known.end()) continue;
    throw UsageError("format '" + format + "' of --also is unknown; use " + join(known, ", "));
  }
}

}  // namespace

void check_sample_options(const SampleOptions& options) {
  if (options.guidance.scale < 0) throw UsageError("the guidance scale w must not be negative");
  if (options.guidance.interval_start > options.guidance.interval_end) {
    throw UsageError(
        "guidance.interval_start must not lie above guidance.interval_end (--guidance-interval "
        "LOW,HIGH)");
  }
  if (options.blocks < 1) throw UsageError("the number of blocks must be at least 1");
  if (options.count < 1) throw UsageError("the number of videos must be at least 1");
  if (!(options.heart_rate >= 0)) throw UsageError("the heart rate must not be negative");
  if (options.heart_phase != 0 && options.heart.empty()) {
    throw UsageError(
        "heart_phase is of a heart that --heart gives; those that the LIDM draws are at 0");
  }
  if (options.seed < 0) throw UsageError("the seed must not be negative");
  if (options.max_redraws < 0) throw UsageError("max_redraws must not be negative");
  if (options.heart_frame < 0) throw UsageError("the heart frame is counted from 0");
  if (options.batch < 1) throw UsageError("the batch must be of at least 1 video");
  if (options.batch > 1 && options.compatibility.context_mixup_0_27) {
    throw UsageError(
        "compatibility.context_mixup_0_27 mixes the classes of a batch; take a batch of 1");
  }
  check_other_formats(options.also);
  if (options.out.empty()) throw UsageError("name an output folder with --out");
  if (options.resume && !options.trace.empty()) {
    throw UsageError(
        "--trace does not go with --resume: the trace would lack the videos that are there "
        "already; sample into another --out, or take --also latents");
  }
  if (options.solver.name == "ddpm" && options.solver.variance_type.rfind("learned", 0) == 0) {
    throw ConfigError("solver.variance_type " + options.solver.variance_type +
                      " needs networks that answer a variance too; LIDM and LVDM do not, use "
                      "fixed_small or fixed_large");
  }
  parse_anchor(options.anchor);
  parse_precision(options.precision);
  if (options.sampler != "blocks" && options.sampler != "stitched") {
    throw UsageError("sampler '" + options.sampler + "' is unknown; use blocks or stitched");
  }
  if (options.context_frames < 0) throw UsageError("the context frames must not be negative");
  if (options.seam_fade < 0) throw UsageError("seam_fade must not be negative");
  if (options.context_frames > 0 && options.sampler != "blocks") {
    throw UsageError(
        "--context-frames goes with the sampler blocks; stitched windows have stitched.overlap");
  }
}

SampleOptions::SampleOptions() {
  solver.name = "dpmsolver++";
  solver.num_inference_steps = 16;
  solver.timestep_spacing = "trailing";
}

void SampleOptions::visit(config::Visitor& v) {
  v.text("model", model, "model directory");
  v.texts("classes", classes, "classes to sample, in turn (empty: every class of the model)");
  v.integer("count", count, {1, 1'000'000'000}, "videos of each class");
  v.optional_integer("ejection_fraction", ejection_fraction, {0, 100},
                     "percent, for a model that is conditioned on it and not on the class");
  v.real(
      "heart_rate", heart_rate, {0, 400},
      "beats per minute of every video, for a model that is conditioned on it (0: drawn for each "
      "video from those of its class in training)");
  v.integer("seed", seed, {0, std::numeric_limits<std::int64_t>::max()},
            "seed of the first video; the next ones count on from it");
  v.real("guidance_scale", guidance.scale, {0, 1000},
         "w of u + w(c - u): 1 is the class-conditional model, 0 the unconditional one");
  v.section(
      "guidance", [this](config::Visitor& s) { visit_guidance(s); }, "how guidance acts");
  v.choice("sampler", sampler, {"blocks", "stitched"},
           "blocks that continue each other, or EchoNet-Synthetic's overlapping windows of a video "
           "that is denoised whole");
  v.integer("blocks", blocks, {1, 1'000'000}, "autoregressive blocks (or windows) of each video");
  visit_solver(v, solver);
  v.choice("anchor", anchor, {"hard", "soft", "none"},
           "given frames of a block: pinned, drawn towards, or reference only");
  v.integer("context_frames", context_frames, {0, 4096},
            "last frames of a block that the next one repeats, at most as many as the LVDM was "
            "trained to be given (0: as many)");
  v.integer(
      "seam_fade", seam_fade, {0, 4096},
      "of the frames that a block repeats, how many of the last ones it draws itself and fades "
      "into (two are always given; 0: all of them)");
  v.section(
      "stitched",
      [this](config::Visitor& s) {
        s.integer("overlap", window_overlap, {0, 4096},
                  "frames that a window shares with the one before (0: half a window)");
        s.integer("published_batch", published_batch, {1, 1'000'000},
                  "videos in a batch of the published code, from which "
                  "compatibility.stitch_labels=published takes labels");
      },
      "the stitched sampler");
  v.text("heart", heart,
         "file whose frame the videos start from: a picture, video, DICOM or latents (empty: the "
         "LIDM draws)");
  v.integer("heart_frame", heart_frame, {0, 1'000'000'000}, "which frame of that file, from 0");
  v.real("heart_phase", heart_phase, {0, 1},
         "how far that heart is in its cycle, from where it moves least, for a model that is "
         "conditioned on it (hearts that the LIDM draws are at 0)");
  v.integer("max_redraws", max_redraws, {0, 1'000'000},
            "heart frames drawn again before the privacy gate gives up");
  v.boolean("allow_unfiltered", allow_unfiltered,
            "go on, marked in the manifest, where the privacy gate is missing or gives up");
  v.text("codec", codec,
         "h264 (MP4) or ffv1 (lossless AVI); another one is replaced, with a warning");
  v.texts("also", also, "formats beside the videos: gif, png, latents, dicom");
  v.integer("batch", batch, {1, 4096},
            "videos that share each forward pass of the LVDM; they agree with single ones within "
            "rounding (stitched ones share none)");
  v.choice("precision", precision, {"fp32", "bf16", "fp16"},
           "what the networks compute in: float32, bfloat16, or on a GPU float16 (the VAE then in "
           "float32); the halves are faster and less exact");
  v.boolean("deterministic", deterministic,
            "one video a forward pass, and on GPUs kernels that give the same bits again");
  v.section(
      "compatibility", [this](config::Visitor& c) { compatibility.visit_sampling(c); },
      "reproduction switches");
}

void SampleOptions::visit_guidance(config::Visitor& v) {
  v.real("rescale", guidance.rescale, {0, 1},
         "1 keeps the contrast of the unguided prediction, 0 lets guidance raise it");
  v.real("interval_start", guidance.interval_start, {0, 1},
         "lowest noise level t / T at which guidance acts");
  v.real("interval_end", guidance.interval_end, {0, 1}, "highest noise level");
  v.real("video_share", video_guidance_share, {0, 1},
         "the LVDM's scale is 1 + video_share (w - 1). 0: it has the class and the heart frame to "
         "go by and takes one evaluation a step, where a high scale takes two and wears walls and "
         "valves away over the blocks; 1: as strong as for the frame");
  v.real("frame_scale", guidance.frame_scale, {0, 1000},
         "the LVDM's scale for its reference frame; other than 1 needs a model trained with "
         "reference dropout");
}

}  // namespace echopath::generation
