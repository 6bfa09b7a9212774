#include "generation/video_maker.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/io/video.hpp"

namespace echopath::generation {
namespace {

/// Frames the VAE decodes at once.
constexpr std::int64_t kDecodedAtOnce = 16;

DenoisingOptions heart_denoising(const SampleOptions& options) {
  DenoisingOptions denoising{options.solver, options.guidance, options.ejection_fraction};
  denoising.guidance.frame_scale = 1.0;  // a heart frame has no reference
  return denoising;
}

DenoisingOptions video_denoising(const SampleOptions& options) {
  DenoisingOptions denoising{options.solver, options.guidance, options.ejection_fraction};
  // The share is of what exceeds the conditional prediction: w = 0 stays unconditional.
  if (options.guidance.scale > 1.0) {
    denoising.guidance.scale = 1.0 + options.video_guidance_share * (options.guidance.scale - 1.0);
  }
  return denoising;
}

std::optional<PrivacyGate> open_gate(const models::ModelDirectory& model, bool allow_unfiltered,
                                     at::Device device) {
  try {
    return PrivacyGate::open(model, device);
  } catch (const DataError& error) {
    if (!allow_unfiltered) {
      throw DataError(std::string(error.what()) +
                      " (the privacy gate needs it; --allow-unfiltered samples without the gate)");
    }
    log_warning(std::string("sampling without the privacy gate: ") + error.what());
    return std::nullopt;
  }
}

/// Container tags: players show the title, programs read the comment.
std::map<std::string, std::string> tags_of(const ManifestEntry& entry) {
  std::string hashes;
  for (const auto& [component, hash] : entry.weight_hashes) hashes += component + "=" + hash + ";";
  const config::Json comment = {{"generator", "echopath"},
                                {"synthetic", true},
                                {"class", entry.class_name},
                                {"seed", entry.seed},
                                {"guidance_scale", entry.guidance_scale},
                                {"model_hash", sha256_hex(hashes)}};
  return {{"title", entry.class_name + " seed " + std::to_string(entry.seed) + " (synthetic)"},
          {"comment", comment.dump()}};
}

std::string block_name(const VideoPlan& plan, std::int64_t block) {
  std::string number = std::to_string(block);
  if (number.size() < 4) number.insert(0, 4 - number.size(), '0');
  return plan.stem + "/block_" + number;
}

}  // namespace

VideoMaker::VideoMaker(const models::ModelDirectory& model, const SampleOptions& options,
                       at::Device device, std::map<std::string, std::string> weight_hashes)
    : options_(options),
      weight_hashes_(std::move(weight_hashes)),
      scaling_factor_(model.info().latent_scaling_factor),
      fps_(model.info().fps),
      heart_(model, heart_denoising(options), device, options.compatibility),
      codec_(model.load_vae(device), device, kDecodedAtOnce),
      gate_(open_gate(model, options.allow_unfiltered, device)) {
  const DenoisingOptions denoising = video_denoising(options);
  if (options.sampler == "stitched") {
    stitched_.emplace(model, denoising, options.window_overlap, device, options.compatibility);
  } else {
    blocks_.emplace(model, denoising, parse_anchor(options.anchor), device, options.compatibility);
  }
}

std::int64_t VideoMaker::block_length() const {
  return stitched_ ? stitched_->window_length() : blocks_->block_length();
}

std::int64_t VideoMaker::work_per_video() const {
  return diffusion::evaluation_count(options_.solver) * (1 + options_.blocks * block_length());
}

ManifestEntry VideoMaker::describe(const VideoPlan& plan, const HeartFrame& heart) const {
  ManifestEntry entry;
  entry.index = plan.index;
  entry.file = "Videos/" + plan.stem + (options_.codec == "ffv1" ? ".avi" : ".mp4");
  entry.class_name = plan.class_name;
  entry.seed = plan.seed;
  entry.guidance_scale = options_.guidance.scale;
  entry.solver = options_.solver.name;
  entry.steps = options_.solver.num_inference_steps;
  entry.sampler = options_.sampler;
  entry.anchor = stitched_ ? "none" : options_.anchor;
  entry.blocks = options_.blocks;
  entry.block_length = block_length();
  entry.context_frames = stitched_ ? stitched_->overlap() : blocks_->context_frames();
  entry.frames = video_length(entry.block_length, entry.context_frames, entry.blocks);
  entry.height = heart.latent.size(1) * codec_.factor();
  entry.width = heart.latent.size(2) * codec_.factor();
  entry.fps = fps_;
  entry.privacy_score = heart.similarity;
  if (gate_) entry.privacy_tau = gate_->tau();
  entry.redraws = heart.redraws;
  entry.filtered = heart.filtered;
  entry.weight_hashes = weight_hashes_;
  return entry;
}

void VideoMaker::make_blocks(const VideoPlan& plan, const at::Tensor& heart, io::TensorMap* trace,
                             const StepCallback& on_step, const LatentsCallback& on_latents) const {
  at::Tensor given = heart.unsqueeze(0);
  for (std::int64_t k = 0; k < options_.blocks; ++k) {
    const at::Tensor block =
        blocks_->sample(given, plan.label, plan.seed, static_cast<std::uint32_t>(k), on_step);
    if (trace != nullptr) (*trace)[block_name(plan, k)] = block;
    // The frames a block was given are already in the video, but for the heart frame of block 0.
    on_latents(block.slice(0, k == 0 ? 0 : given.size(0)));
    given = block.slice(0, block_length() - blocks_->context_frames()).clone();
  }
}

void VideoMaker::make_windows(const VideoPlan& plan, const at::Tensor& heart, io::TensorMap* trace,
                              const StepCallback& on_step,
                              const LatentsCallback& on_latents) const {
  const at::Tensor video = stitched_->sample(heart, plan.window_labels, plan.seed, on_step);
  if (trace != nullptr) (*trace)[plan.stem + "/video"] = video;
  on_latents(video);
}

ManifestEntry VideoMaker::make(const VideoPlan& plan, const std::filesystem::path& directory,
                               io::TensorMap* trace, const WorkCallback& on_work) const {
  const StepCallback on_heart_step = [&] { on_work(1); };
  const StepCallback on_block_step = [&] { on_work(block_length()); };
  const HeartFrame heart = draw_heart_frame(
      [&](std::uint32_t attempt) {
        return heart_.sample(plan.label, plan.seed, attempt, on_heart_step);
      },
      gate_ ? &*gate_ : nullptr, options_.max_redraws, options_.allow_unfiltered);
  if (gate_ && !heart.filtered) {
    log_warning(plan.stem + ": no heart frame passed the privacy gate; the manifest says so");
  }
  const ManifestEntry entry = describe(plan, heart);
  io::VideoWriterOptions writer_options;
  writer_options.codec = options_.codec;
  writer_options.width = entry.width;
  writer_options.height = entry.height;
  writer_options.fps = entry.fps;
  writer_options.metadata = tags_of(entry);
  io::VideoWriter writer(directory / entry.file, writer_options);

  const LatentsCallback write = [&](const at::Tensor& latents) {
    codec_.decode(latents / scaling_factor_,
                  [&](const std::uint8_t* frame) { writer.write(frame); });
  };
  if (stitched_) {
    make_windows(plan, heart.latent, trace, on_block_step, write);
  } else {
    make_blocks(plan, heart.latent, trace, on_block_step, write);
  }
  writer.finish();
  return entry;
}

}  // namespace echopath::generation
