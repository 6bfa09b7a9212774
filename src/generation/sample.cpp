#include "echopath/generation/sample.hpp"

#include <ATen/Context.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <set>

#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/interrupt.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/progress.hpp"
#include "echopath/core/text.hpp"
#include "echopath/diffusion/solver.hpp"
#include "echopath/distributed/device_of_process.hpp"
#include "echopath/distributed/rendezvous.hpp"
#include "generation/denoise.hpp"
#include "generation/finish_directory.hpp"
#include "generation/model_hashes.hpp"
#include "generation/output_formats.hpp"
#include "generation/sample_directory.hpp"
#include "generation/sample_options.hpp"
#include "generation/sample_plan.hpp"
#include "generation/sample_warnings.hpp"
#include "generation/video_maker.hpp"

namespace echopath::generation {
namespace {

/// Processes wait for each other at the end alone, and some have more to do.
constexpr distributed::Timeouts kTimeouts{std::chrono::minutes(10), std::chrono::hours(24 * 30)};

/// Throws where the trace could not be written when the run is done.
void require_writable_trace(const fs::path& trace) {
  std::error_code unknown;
  if (fs::is_directory(trace, unknown)) {
    throw UsageError("--trace '" + trace.string() + "' is a folder; name a file");
  }
  AtomicFile(trace).write("");  // under a temporary name, which goes away again
}

/// Does a part of the run that writes into its directory. Where that fails, the error says how the
/// run goes on, whatever the writer advises.
template <class Work>
void go_on_later(const fs::path& directory, const Work& work) {
  try {
    work();
  } catch (const DataError& error) {
    throw DataError(std::string(error.what()) + "; what was made stays in '" + directory.string() +
                    "', go on with --resume");
  }
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

/// A run as every process of it prepares it.
struct Run {
  SampleOptions options;
  std::vector<VideoPlan> plans;
  RunDocument document;
  std::unique_ptr<VideoMaker> maker;
};

std::vector<std::string> parts_needed(const SampleOptions& options) {
  std::vector<std::string> parts = {"vae", "lvdm", "class_embedding/lvdm", "scheduler"};
  if (options.heart.empty()) parts.insert(parts.begin() + 1, "lidm");
  return parts;
}

Run prepare(const SampleOptions& requested, const distributed::ProcessEnvironment& environment) {
  Run run{requested, {}, {}, nullptr};
  SampleOptions& options = run.options;
  check_sample_options(options);
  if (environment.world_size > 1 && !options.trace.empty()) {
    throw UsageError(
        "--trace keeps the blocks of one process; leave --nproc out, or take --also "
        "latents");
  }
  options.codec = usable_codec(options.codec, options.also);
  options.also = without_repeats(options.also);
  if (options.deterministic) {
    options.batch = 1;
    at::globalContext().setDeterministicCuDNN(true);
    at::globalContext().setBenchmarkCuDNN(false);
  }
  const at::Device device = distributed::device_of_process(options.device, environment);
  require_fast(parse_precision(options.precision), device);
  const models::ModelDirectory model = models::ModelDirectory::open(options.model);
  model.require(parts_needed(options));
  // Refuses a solver that does not fit the model's schedule before anything is loaded or written.
  diffusion::make_solver(diffusion::NoiseSchedule(model.schedule()), options.solver);
  options.classes = resolve_classes(options, model.info());
  if (environment.is_root()) {
    warn_of_the_unlearned(options, model);
    warn_of_idle_options(options);
  }
  if (options.sampler == "stitched") options.batch = 1;
  run.plans = plan_videos(options, model.info());
  run.document.options = config::dump(config::visit_of(options));
  run.document.weight_hashes = model_hashes(model);
  if (!options.heart.empty()) {
    require_file(options.heart, "heart frame");
    run.document.heart_hash = sha256_file(options.heart);
  }
  run.maker = std::make_unique<VideoMaker>(model, options, device, run.document.weight_hashes);
  run.maker->set_run_key(run.document.key());
  if (!options.trace.empty()) require_writable_trace(options.trace);
  return run;
}

/// The plans that are not done yet and that fall to this process: every world_size-th.
std::vector<VideoPlan> share_of(const Run& run, const std::set<std::int64_t>& done,
                                const distributed::ProcessEnvironment& environment) {
  std::vector<VideoPlan> share;
  std::int64_t missing = 0;
  for (const VideoPlan& plan : run.plans) {
    if (done.contains(plan.index)) continue;
    if (missing++ % environment.world_size == environment.rank) share.push_back(plan);
  }
  return share;
}

/// Makes these videos, a batch at a time. Progress counts the whole run where this process is
/// alone, else its own share.
void make_videos(const Run& run, const std::vector<VideoPlan>& share, SampleDirectory& directory,
                 const distributed::ProcessEnvironment& environment, io::TensorMap* trace) {
  const bool alone = environment.world_size == 1;
  const std::int64_t work = run.maker->work_per_video();
  const auto shared = static_cast<std::int64_t>(share.size());
  const std::int64_t total = alone ? static_cast<std::int64_t>(run.plans.size()) : shared;
  std::int64_t finished = (total - shared) * work;
  Progress progress(alone ? "sampling" : "sampling, rank " + std::to_string(environment.rank),
                    total * work, finished);
  const auto batch = static_cast<std::size_t>(run.options.batch);
  for (std::size_t first = 0; first < share.size(); first += batch) {
    const std::vector<VideoPlan> plans(
        share.begin() + static_cast<std::ptrdiff_t>(first),
        share.begin() + static_cast<std::ptrdiff_t>(std::min(first + batch, share.size())));
    const std::int64_t whole = work * static_cast<std::int64_t>(plans.size());
    const std::int64_t videos = finished / work;
    const std::string note = "video " + std::to_string(videos + 1) + " of " +
                             std::to_string(total) + " (" + plans.front().stem + ")";
    std::int64_t taken = 0;
    const auto on_work = [&](std::int64_t step) {
      taken = std::min(taken + step, whole);
      progress.update(finished + taken, note);
      throw_if_interrupted(std::to_string(videos) + " of " + std::to_string(total) +
                           (alone ? "" : " of this process's") + " videos are in '" +
                           directory.path().string() + "'; go on with --resume");
    };
    for (const ManifestEntry& entry : run.maker->make(plans, directory.path(), trace, on_work)) {
      directory.add(entry);
      warn_of_refused_hearts(entry);
    }
    finished += whole;
    progress.update(finished, note);
  }
  progress.finish();
}

/// Throws UsageError on rank 0 (ToldByRoot elsewhere) where the processes were asked for different
/// runs.
void require_same_run(distributed::Rendezvous& rendezvous, const Run& run) {
  const std::vector<std::string> keys = rendezvous.exchange(run.document.text());
  for (std::size_t rank = 1; rank < keys.size(); ++rank) {
    if (keys[rank] == keys[0]) continue;
    distributed::throw_once(
        rendezvous.environment().is_root(),
        UsageError("the processes of a run must agree: rank " + std::to_string(rank) +
                   " has other options or another model than rank 0"));
  }
}

/// Rank 0 prepares the directory, and the others join it.
std::unique_ptr<SampleDirectory> open_directory(distributed::Rendezvous& rendezvous,
                                                const Run& run) {
  const distributed::ProcessEnvironment& environment = rendezvous.environment();
  std::unique_ptr<SampleDirectory> directory;
  rendezvous.together([&] {
    if (environment.is_root()) {
      directory =
          std::make_unique<SampleDirectory>(run.options.out, run.document, run.options.resume);
    }
  });
  rendezvous.together([&] {
    if (!directory) {
      directory = std::make_unique<SampleDirectory>(run.options.out, environment.rank);
    }
  });
  return directory;
}

/// The plans that are done, which rank 0 tells the others.
std::set<std::int64_t> done_already(distributed::Rendezvous& rendezvous,
                                    const SampleDirectory& directory) {
  const std::string known = config::Json(directory.indices()).dump();
  return config::Json::parse(rendezvous.exchange(known).front()).get<std::set<std::int64_t>>();
}

}  // namespace

SampleSummary run_sampling(const SampleOptions& requested) {
  const distributed::ProcessEnvironment environment = distributed::environment_from_variables();
  distributed::Rendezvous rendezvous(environment, kTimeouts);
  Run run;
  rendezvous.together([&] { run = prepare(requested, environment); });
  require_same_run(rendezvous, run);
  const std::unique_ptr<SampleDirectory> directory = open_directory(rendezvous, run);
  const auto skipped = static_cast<std::int64_t>(directory->entries().size());
  const std::vector<VideoPlan> share =
      share_of(run, done_already(rendezvous, *directory), environment);

  io::TensorMap traced;
  std::exception_ptr stopped;
  try {
    go_on_later(directory->path(), [&] {
      make_videos(run, share, *directory, environment,
                  run.options.trace.empty() ? nullptr : &traced);
    });
  } catch (const Interrupted&) {
    stopped = std::current_exception();
  } catch (const Error& error) {
    stopped = std::current_exception();
    // The run ends with it only when the others are done, which may take them hours.
    if (environment.world_size > 1) {
      log_error("rank " + std::to_string(environment.rank) +
                " stopped, and the others go on with their shares: " + error.what());
    }
  }
  const std::vector<std::string> made = rendezvous.exchange(directory->added_lines());
  const std::vector<std::string> stops = rendezvous.exchange(stopped ? "stopped" : "");
  const bool whole =
      std::all_of(stops.begin(), stops.end(), [](const std::string& stop) { return stop.empty(); });
  rendezvous.together([&] {
    if (environment.is_root()) {
      // Of the other ranks only errors are shown.
      for (const ManifestEntry& entry : directory->take_in(made)) warn_of_refused_hearts(entry);
      if (!whole) finish_stopped_run(*directory);
    }
    if (stopped) std::rethrow_exception(stopped);
  });
  rendezvous.together([&] {
    if (!environment.is_root()) return;
    go_on_later(directory->path(),
                [&] { finish_directory(directory->path(), directory->entries()); });
    if (!run.options.trace.empty()) io::save_safetensors(run.options.trace, traced);
  });
  return summarise(directory->path(), directory->entries(), skipped);
}

}  // namespace echopath::generation
