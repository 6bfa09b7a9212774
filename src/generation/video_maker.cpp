#include "generation/video_maker.hpp"

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/generation/block_chain.hpp"
#include "generation/denoise.hpp"
#include "generation/given_heart.hpp"
#include "generation/output_formats.hpp"

namespace echopath::generation {
namespace {

/// Frames the VAE decodes at once.
constexpr std::int64_t kDecodedAtOnce = 16;

DenoisingOptions heart_denoising(const SampleOptions& options) {
  DenoisingOptions denoising{options.solver, options.guidance, options.ejection_fraction,
                             options.precision};
  denoising.guidance.frame_scale = 1.0;  // a heart frame has no reference
  return denoising;
}

diffusion::GuidanceOptions video_guidance(const SampleOptions& options) {
  diffusion::GuidanceOptions guidance = options.guidance;
  // The share is of what exceeds the conditional prediction: w = 0 stays unconditional.
  if (guidance.scale > 1.0) {
    guidance.scale = 1.0 + options.video_guidance_share * (guidance.scale - 1.0);
  }
  return guidance;
}

DenoisingOptions video_denoising(const SampleOptions& options) {
  return {options.solver, video_guidance(options), options.ejection_fraction, options.precision};
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

/// Throws DataError unless the VAE's latents are the model's.
void require_vae_fits(const models::ModelDirectory& model, const models::AutoencoderKL& vae,
                      std::int64_t factor) {
  const models::ModelInfo& info = model.info();
  const std::vector<std::int64_t> made = {vae->config().latent_channels, info.image_size / factor,
                                          info.image_size / factor};
  if (info.latent_shape == made) return;
  throw DataError(model.path().string() + ": the VAE makes latents of [" + std::to_string(made[0]) +
                  ", " + std::to_string(made[1]) + ", " + std::to_string(made[2]) +
                  "] of images of " + std::to_string(info.image_size) +
                  " pixels, which latent_shape in echopath.json is not; take parts that were "
                  "trained together");
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
      fps_(model.info().fps),
      with_previews_(options.codec != "h264" && can_write_h264()),
      vae_(model.load_vae(device)),
      codec_(vae_, device, kDecodedAtOnce),
      gate_(open_gate(model, options.allow_unfiltered, device)) {
  require_vae_fits(model, vae_, codec_.factor());
  run_.scaling_factor = model.info().latent_scaling_factor;
  run_.encoder_hash = models::encoder_hash(vae_);
  // float16 ends at 65504, which activations of a VAE may pass.
  if (parse_precision(options.precision) == at::kBFloat16) vae_->to(at::kBFloat16);
  const DenoisingOptions denoising = video_denoising(options);
  if (options.sampler == "stitched") {
    stitched_.emplace(model, denoising, options.window_overlap, device, options.compatibility);
  } else {
    const SeamOptions seam{parse_anchor(options.anchor), options.context_frames, options.seam_fade};
    blocks_.emplace(model, denoising, seam, device, options.compatibility);
  }
  if (options.heart.empty()) {
    heart_.emplace(model, heart_denoising(options), device, options.compatibility);
  } else {
    take_given_heart(model);
  }
}

void VideoMaker::take_given_heart(const models::ModelDirectory& model) {
  HeartFrame heart;
  heart.latent = read_given_heart(options_.heart, options_.heart_frame, model, codec_);
  given_heart_hash_ = sha256_file(options_.heart);
  if (gate_) {
    heart.similarity = gate_->similarity(heart.latent);
    heart.filtered = gate_->passes(*heart.similarity);
    const std::string verdict =
        "the heart frame of '" + options_.heart +
        "' does not pass the privacy gate (similarity to a training frame " +
        std::to_string(*heart.similarity) + ", limit " + std::to_string(gate_->tau()) + ")";
    if (!heart.filtered && !options_.allow_unfiltered) {
      throw DataError(verdict + "; take another, or go on with --allow-unfiltered");
    }
    if (!heart.filtered) log_warning(verdict + "; the manifest says so");
  }
  given_heart_ = std::move(heart);
}

std::int64_t VideoMaker::block_length() const {
  return stitched_ ? stitched_->window_length() : blocks_->block_length();
}

std::int64_t VideoMaker::work_per_video() const {
  const std::int64_t heart = heart_ ? 1 : 0;
  return diffusion::evaluation_count(options_.solver) * (heart + options_.blocks * block_length());
}

ManifestEntry VideoMaker::describe(const VideoPlan& plan, const HeartFrame& heart) const {
  ManifestEntry entry;
  entry.index = plan.index;
  entry.file = video_file(options_.codec, plan.stem);
  for (const std::string& format : options_.also) {
    entry.also.push_back(other_file(format, plan.stem));
  }
  if (with_previews_) entry.also.push_back(preview_file(plan.stem));
  entry.class_name = plan.class_name;
  entry.seed = plan.seed;
  entry.guidance_scale = options_.guidance.scale;
  entry.video_guidance = video_guidance(options_);
  if (plan.cycle) entry.heart_rate = plan.cycle->beats_per_minute;
  entry.solver = options_.solver.name;
  entry.steps = options_.solver.num_inference_steps;
  entry.sampler = options_.sampler;
  entry.anchor = stitched_ ? "none" : options_.anchor;
  entry.blocks = options_.blocks;
  entry.block_length = block_length();
  entry.context_frames = stitched_ ? stitched_->overlap() : blocks_->context_frames();
  entry.seam_fade = stitched_ ? 0 : blocks_->fade_frames();
  entry.frames = video_length(entry.block_length, entry.context_frames, entry.blocks);
  entry.height = heart.latent.size(1) * codec_.factor();
  entry.width = heart.latent.size(2) * codec_.factor();
  entry.fps = fps_;
  entry.heart = given_heart_hash_;
  entry.privacy_score = heart.similarity;
  if (gate_) entry.privacy_tau = gate_->tau();
  entry.redraws = heart.redraws;
  entry.filtered = heart.filtered;
  entry.weight_hashes = weight_hashes_;
  return entry;
}

HeartFrame VideoMaker::heart_of(const VideoPlan& plan, const StepCallback& on_step) const {
  if (given_heart_) return *given_heart_;
  return draw_heart_frame(
      [&](std::uint32_t attempt) {
        return heart_->sample(plan.label, plan.seed, attempt, on_step);
      },
      gate_ ? &*gate_ : nullptr, options_.max_redraws, options_.allow_unfiltered);
}

void VideoMaker::write(const at::Tensor& latents, VideoOutputs& outputs) const {
  outputs.add_latents(latents);
  codec_.decode(latents / run_.scaling_factor,
                [&](const std::uint8_t* frame) { outputs.write(frame); });
}

void VideoMaker::make_blocks(std::vector<Job>& jobs, io::TensorMap* trace,
                             const WorkCallback& on_work) const {
  const auto videos = static_cast<std::int64_t>(jobs.size());
  const StepCallback on_step = [&] { on_work(videos * block_length()); };
  std::vector<BlockChain> chains;
  for (const Job& job : jobs) {
    chains.emplace_back(*blocks_, fps_,
                        BlockStart{job.heart.latent.unsqueeze(0), job.plan->label, job.plan->seed,
                                   job.plan->cycle, job.heart.latent});
  }
  for (std::int64_t k = 0; k < options_.blocks; ++k) {
    std::vector<BlockStart> starts;
    for (const BlockChain& chain : chains) starts.push_back(chain.next());
    const std::vector<at::Tensor> blocks =
        blocks_->sample(starts, static_cast<std::uint32_t>(k), on_step);
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (trace != nullptr) (*trace)[block_name(*jobs[i].plan, k)] = blocks[i].clone();
      write(chains[i].add(blocks[i], k + 1 == options_.blocks), *jobs[i].outputs);
    }
  }
}

void VideoMaker::make_windows(Job& job, io::TensorMap* trace, const WorkCallback& on_work) const {
  const at::Tensor video =
      stitched_->sample(job.heart.latent, job.plan->window_labels, job.plan->seed, job.plan->cycle,
                        [&] { on_work(block_length()); });
  if (trace != nullptr) (*trace)[job.plan->stem + "/video"] = video;
  write(video, *job.outputs);
}

std::vector<ManifestEntry> VideoMaker::make(const std::vector<VideoPlan>& plans,
                                            const std::filesystem::path& directory,
                                            io::TensorMap* trace,
                                            const WorkCallback& on_work) const {
  std::vector<Job> jobs;
  for (const VideoPlan& plan : plans) {
    Job job{&plan, heart_of(plan, [&] { on_work(1); }), {}, nullptr};
    job.entry = describe(plan, job.heart);
    job.outputs = std::make_unique<VideoOutputs>(directory, job.entry, run_);
    jobs.push_back(std::move(job));
  }
  if (blocks_) {
    make_blocks(jobs, trace, on_work);
  } else {
    for (Job& job : jobs) make_windows(job, trace, on_work);
  }
  std::vector<ManifestEntry> entries;
  for (Job& job : jobs) {
    job.outputs->finish();
    entries.push_back(std::move(job.entry));
  }
  return entries;
}

}  // namespace echopath::generation
