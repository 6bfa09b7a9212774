#include "echopath/generation/sample.hpp"

#include <algorithm>
#include <cctype>
#include <limits>
#include <set>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/core/text.hpp"
#include "echopath/data/dataset.hpp"
#include "echopath/diffusion/solver.hpp"
#include "generation/gallery.hpp"
#include "generation/sample_directory.hpp"
#include "generation/video_maker.hpp"

namespace echopath::generation {
namespace {

/// The known classes asked for; every class where none is.
std::vector<std::string> resolve_classes(const SampleOptions& options,
                                         const models::ModelInfo& info) {
  const auto& known = info.class_names;
  for (const std::string& name : options.classes) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string nearest = nearest_name(name, known);
    throw UsageError("class '" + name + "' is unknown to the model" +
                     (nearest.empty() ? "" : " (did you mean " + nearest + "?)") +
                     "; known classes: " + join(known, ", "));
  }
  return options.classes.empty() ? known : options.classes;
}

void check(const SampleOptions& options) {
  if (options.guidance.scale < 0) throw UsageError("the guidance scale w must not be negative");
  if (options.guidance.interval_start > options.guidance.interval_end) {
    throw UsageError("guidance.interval_start must not lie above guidance.interval_end");
  }
  if (options.blocks < 1) throw UsageError("the number of blocks must be at least 1");
  if (options.count < 1) throw UsageError("the number of videos must be at least 1");
  if (options.seed < 0) throw UsageError("the seed must not be negative");
  if (options.max_redraws < 0) throw UsageError("max_redraws must not be negative");
  if (options.codec != "h264" && options.codec != "ffv1") {
    throw UsageError("codec '" + options.codec + "' is unknown; use h264 or ffv1");
  }
  if (options.out.empty()) throw UsageError("name an output folder with --out");
  if (options.solver.name == "ddpm" && options.solver.variance_type.rfind("learned", 0) == 0) {
    throw ConfigError("solver.variance_type " + options.solver.variance_type +
                      " needs networks that answer a variance too; LIDM and LVDM do not, use "
                      "fixed_small or fixed_large");
  }
  parse_anchor(options.anchor);
  if (options.sampler != "blocks" && options.sampler != "stitched") {
    throw UsageError("sampler '" + options.sampler + "' is unknown; use blocks or stitched");
  }
}

std::string file_stem(const std::string& class_name, std::uint64_t seed) {
  std::string stem;
  for (const char c : class_name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    stem += plain ? c : '_';
  }
  std::string digits = std::to_string(seed);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return stem + "_" + digits;
}

/// The class of each window of the stitched sampler.
std::vector<std::int64_t> window_labels(const SampleOptions& options, std::int64_t index,
                                        const std::vector<std::int64_t>& class_labels) {
  const auto label_of = [&](std::int64_t video) {
    return class_labels[static_cast<std::size_t>(video) % class_labels.size()];
  };
  if (options.compatibility.stitch_labels == "video") {
    return std::vector<std::int64_t>(static_cast<std::size_t>(options.blocks), label_of(index));
  }
  // The batch is taken as full, so that a video does not depend on the number of videos.
  const std::int64_t place = index % options.published_batch;
  std::vector<std::int64_t> batch;
  for (std::int64_t b = 0; b < options.published_batch; ++b) {
    batch.push_back(label_of(index - place + b));
  }
  return published_window_labels(batch, place, options.blocks);
}

std::vector<VideoPlan> plan_videos(const SampleOptions& options, const models::ModelInfo& info) {
  std::vector<VideoPlan> plans;
  const auto classes = static_cast<std::int64_t>(options.classes.size());
  std::vector<std::int64_t> labels;
  for (const std::string& name : options.classes) labels.push_back(info.label(name));
  for (std::int64_t index = 0; index < options.count * classes; ++index) {
    VideoPlan plan;
    plan.index = index;
    plan.class_name = options.classes[static_cast<std::size_t>(index % classes)];
    plan.label = labels[static_cast<std::size_t>(index % classes)];
    if (options.sampler == "stitched") plan.window_labels = window_labels(options, index, labels);
    plan.seed = static_cast<std::uint64_t>(options.seed + index);
    plan.stem = file_stem(plan.class_name, plan.seed);
    plans.push_back(std::move(plan));
  }
  return plans;
}

std::map<std::string, std::string> hashes_of(const models::ModelDirectory& model) {
  std::map<std::string, std::string> hashes;
  for (const char* component : {"vae", "lidm", "lvdm", "reid"}) {
    if (model.has(component)) hashes[component] = model.component_hash(component);
  }
  return hashes;
}

/// Guidance by the frame compares with a prediction without one.
void warn_of_untrained_guidance(const SampleOptions& options, const models::ModelDirectory& model) {
  if (options.guidance.frame_scale == 1.0) return;
  const auto record = model.info().trained_on.find("lvdm");
  const bool learned = record != model.info().trained_on.end() &&
                       record->second.value("reference_dropout", 0.0) > 0.0;
  if (learned) return;
  log_warning("guidance.frame_scale is not 1, but '" + model.path().string() +
              "/echopath.json' does not say that the LVDM was trained with reference_dropout; "
              "without it the network knows no video without a reference");
}

/// What a whole run leaves beside its videos, from the manifest.
void finish_directory(const fs::path& directory, const std::vector<ManifestEntry>& entries) {
  if (entries.empty()) return;
  std::vector<data::Study> studies;
  for (const ManifestEntry& entry : entries) {
    data::Study study;
    study.file_name = fs::path(entry.file).filename().string();
    study.class_name = entry.class_name;
    study.patient_id = study.stem();
    study.split = "TRAIN";
    study.fps = entry.fps;
    study.number_of_frames = entry.frames;
    study.frame_height = entry.height;
    study.frame_width = entry.width;
    studies.push_back(std::move(study));
  }
  data::write_file_list(directory / "FileList.csv", studies);
  write_contact_sheet(directory, entries, directory / "contact_sheet.png");
  write_index(entries, directory / "index.html");
}

/// After an error or a signal: the list and the page cover the videos made so far. What stopped the
/// run may stop this too (a full disk), and is the error to report.
void finish_stopped_run(const SampleDirectory& directory) {
  try {
    finish_directory(directory.path(), directory.entries());
  } catch (const Error& error) {
    log_warning(error.what());
  }
}

SampleSummary summarise(const fs::path& directory, const std::vector<ManifestEntry>& entries,
                        std::int64_t skipped) {
  SampleSummary summary;
  summary.directory = directory;
  summary.contact_sheet = directory / "contact_sheet.png";
  summary.index = directory / "index.html";
  summary.skipped = skipped;
  summary.made = static_cast<std::int64_t>(entries.size()) - skipped;
  for (const ManifestEntry& entry : entries) {
    summary.videos.push_back(directory / entry.file);
    summary.redraws += entry.redraws;
    summary.unfiltered += entry.filtered ? 0 : 1;
  }
  return summary;
}

/// Makes the videos that the directory does not have yet.
void make_missing(const std::vector<VideoPlan>& plans, const VideoMaker& maker,
                  SampleDirectory& directory, io::TensorMap* trace) {
  std::set<std::int64_t> done;
  for (const ManifestEntry& entry : directory.entries()) done.insert(entry.index);
  const std::int64_t work = maker.work_per_video();
  const auto total = static_cast<std::int64_t>(plans.size()) * work;
  const auto already = static_cast<std::int64_t>(
      std::count_if(plans.begin(), plans.end(),
                    [&](const VideoPlan& plan) { return done.contains(plan.index); }));
  std::int64_t finished = already * work;
  Progress progress("sampling", total, finished);
  for (const VideoPlan& plan : plans) {
    if (done.contains(plan.index)) continue;
    std::int64_t taken = 0;
    const auto on_work = [&](std::int64_t step) {
      taken = std::min(taken + step, work);
      progress.update(finished + taken, plan.stem);
      throw_if_interrupted(std::to_string(directory.entries().size()) + " of " +
                           std::to_string(plans.size()) + " videos are in '" +
                           directory.path().string() + "'; go on with --resume");
    };
    directory.add(maker.make(plan, directory.path(), trace, on_work));
    finished += work;
    progress.update(finished, plan.stem);
  }
  progress.finish();
}

}  // namespace

SampleOptions::SampleOptions() {
  solver.timestep_spacing = "trailing";
}

void SampleOptions::visit(config::Visitor& v) {
  v.text("model", model, "model directory");
  v.texts("classes", classes, "classes to sample, in turn (empty: every class of the model)");
  v.integer("count", count, {1, 1'000'000'000}, "videos of each class");
  v.optional_integer("ejection_fraction", ejection_fraction, {0, 100},
                     "percent, for a model that is conditioned on it and not on the class");
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
  v.integer("max_redraws", max_redraws, {0, 1'000'000},
            "heart frames drawn again before the privacy gate gives up");
  v.boolean("allow_unfiltered", allow_unfiltered,
            "go on, marked in the manifest, where the privacy gate is missing or gives up");
  v.choice("codec", codec, {"h264", "ffv1"}, "H.264 MP4, or lossless FFV1 AVI");
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
         "the LVDM's scale is 1 + video_share (w - 1): it has the heart frame to go by, and a high "
         "scale wears walls and valves away over the blocks; 1: as strong as for the frame");
  v.real("frame_scale", guidance.frame_scale, {0, 1000},
         "the LVDM's scale for its reference frame; other than 1 needs a model trained with "
         "reference dropout");
}

SampleSummary run_sampling(const SampleOptions& requested) {
  SampleOptions options = requested;
  check(options);
  const at::Device device = parse_device(options.device);
  const models::ModelDirectory model = models::ModelDirectory::open(options.model);
  model.require({"vae", "lidm", "lvdm", "class_embedding/lvdm", "scheduler"});
  // Refuses a solver that does not fit the model's schedule before anything is loaded or written.
  diffusion::make_solver(diffusion::NoiseSchedule(model.schedule()), options.solver);
  options.classes = resolve_classes(options, model.info());
  warn_of_untrained_guidance(options, model);
  const std::vector<VideoPlan> plans = plan_videos(options, model.info());

  const auto hashes = hashes_of(model);
  const VideoMaker maker(model, options, device, hashes);
  SampleDirectory directory(options.out, config::dump(config::visit_of(options)), hashes,
                            options.resume);
  const auto skipped = static_cast<std::int64_t>(directory.entries().size());

  io::TensorMap traced;
  try {
    make_missing(plans, maker, directory, options.trace.empty() ? nullptr : &traced);
  } catch (const Error&) {
    finish_stopped_run(directory);
    throw;
  }
  finish_directory(directory.path(), directory.entries());
  if (!options.trace.empty()) io::save_safetensors(options.trace, traced);
  return summarise(directory.path(), directory.entries(), skipped);
}

}  // namespace echopath::generation
