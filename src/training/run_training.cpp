#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/distributed/device_of_process.hpp"
#include "echopath/training/train.hpp"
#include "echopath/training/trainer.hpp"
#include "training/jobs.hpp"
#include "training/parallel.hpp"
#include "training/preflight.hpp"

namespace echopath::training {
namespace {

constexpr const char* kRunConfig = "config.json";

void read_config(const fs::path& file, Job& job) {
  require_file(file, "config");
  config::apply(config::read_json(file.string()), job.visit(), file.string());
}

/// Job::validate, whose complaints get the name of the file that the options came from.
void validate(const Job& job, const fs::path& file, bool overridden) {
  try {
    job.validate();
  } catch (const ConfigError& error) {
    if (file.empty()) throw;
    throw ConfigError(file.string() + (overridden ? " with --set: " : ": ") + error.what());
  }
}

/// Whether the run's config.json is one of `network`.
bool is_run_of(const std::string& network, const fs::path& run) {
  try {
    read_config(run / kRunConfig, *make_job(network));
    return true;
  } catch (const ConfigError&) {
    return false;
  }
}

/// Throws UsageError where the run is one of another network.
void require_run_of(const std::string& network, const fs::path& run) {
  if (is_run_of(network, run)) return;
  for (const std::string& other : trainable_networks()) {
    if (!is_run_of(other, run)) continue;
    throw UsageError("--resume: '" + run.string() + "' holds a run of `train " + other +
                     "`, not of `train " + network + "`; check --out");
  }
}

/// Throws UsageError where a resumed run would go on with other options than its config.json says.
void check_resumed(const TrainRequest& request, const fs::path& run, Job& job) {
  const std::unique_ptr<Job> before = make_job(request.network);
  read_config(run / kRunConfig, *before);
  require_same_options(before->visit(), job.visit(), run);
}

/// Completes the job's options from the config, --set and --seed. A resumed run starts from its own
/// config.json where no other is given.
config::Json complete_config(const TrainRequest& request, const fs::path& run, Job& job) {
  fs::path file = request.config;
  if (request.resume) {
    require_run_directory(run, true);
    require_run_of(request.network, run);
    if (file.empty()) file = run / kRunConfig;
  }
  if (!file.empty()) read_config(file, job);
  std::vector<std::string> overrides = request.overrides;
  if (request.seed) overrides.push_back("training.seed=" + std::to_string(*request.seed));
  config::apply_overrides(overrides, job.visit());
  validate(job, file, !request.overrides.empty());
  if (request.resume) check_resumed(request, run, job);
  return config::dump(job.visit());
}

/// Whether the device asked for is a CUDA one, also where this machine has none.
bool wants_cuda(const std::string& device) {
  return device.rfind("cuda", 0) == 0 || (device == "auto" && parse_device(device).is_cuda());
}

/// Where a run writes.
struct Folders {
  fs::path run;
  fs::path model;
};

void check_folders(const Folders& folders, bool resume) {
  require_run_directory(folders.run, resume);
  require_writable_folder(folders.model, "output.model_directory");
}

/// The recipe, ready for its first step: data open, weights set, its result welcome in
/// `model_directory`.
std::unique_ptr<Recipe> make_recipe(const TrainRequest& request, const Job& job,
                                    const fs::path& model_directory, at::Device device) {
  job.require_start(request.resume || !request.init_from.empty());
  if (!request.init_from.empty()) job.require_weights(request.init_from);
  torch::manual_seed(static_cast<std::uint64_t>(job.loop().seed));
  std::unique_ptr<Recipe> recipe = job.make_recipe(device);
  recipe->check_target(model_directory);
  if (!request.init_from.empty()) job.initialise_from(request.init_from, *recipe);
  return recipe;
}

/// Finds what would stop a real run before its first step by going there, one line each, and on the
/// way how many items there are.
void try_start(const TrainRequest& request, const Folders& folders, const Job& job,
               TrainReport& report) {
  const auto note = [&report](const std::function<void()>& attempt) {
    try {
      attempt();
    } catch (const Error& error) {
      report.missing.emplace_back(error.what());
    }
  };
  note([&] { parse_device(request.device); });
  note([&] { check_folders(folders, request.resume); });
  note([&] {
    report.training_items = make_recipe(request, job, folders.model, at::kCPU)->training_items();
  });
}

/// What `work` throws; null where it throws nothing.
std::exception_ptr failure_of(const std::function<void()>& work) {
  try {
    work();
    return nullptr;
  } catch (const Error&) {
    return std::current_exception();
  }
}

distributed::Timeouts timeouts(const LoopOptions& loop) {
  using Minutes = std::chrono::duration<double, std::ratio<60>>;
  return {
      std::chrono::seconds(loop.join_timeout_seconds),
      std::chrono::duration_cast<std::chrono::milliseconds>(Minutes(loop.wait_timeout_minutes))};
}

/// What each of `processes` processes does with its share of the batch: the shapes that it sees,
/// and an estimate of the memory that it takes.
void describe_one_process(const TrainRequest& request, std::int64_t processes,
                          TrainReport& report) {
  const std::unique_ptr<Job> share = make_job(request.network);
  config::apply(report.config, share->visit(), "config");
  const std::int64_t items = share->loop().batch_size / processes;
  config::apply_overrides({"training.batch_size=" + std::to_string(items)}, share->visit());
  report.memory_bytes = share->memory_bytes(report.parameters, wants_cuda(request.device));
  report.cache_bytes = share->cache_bytes();
  const std::int64_t at_once = share->loop().micro_batch_size;
  report.shapes = share->shapes(at_once > 0 ? std::min(at_once, items) : items);
}

/// Writes the trained network, from rank 0.
void export_result(Trainer& trainer, Recipe& recipe, const fs::path& model_directory) {
  if (recipe.keeps_best()) {
    const std::int64_t steps = trainer.restore_best();
    recipe.export_model(model_directory, steps);
  } else {
    EmaScope averaged(trainer.ema());
    recipe.export_model(model_directory, trainer.step());
  }
}

/// What a process needs for its first step.
struct Start {
  at::Device device = at::kCPU;
  std::unique_ptr<Recipe> recipe;
  std::shared_ptr<distributed::ProcessGroup> group;
  std::string data;  ///< what the data are

  TrainerOptions trainer_options(const LoopOptions& loop) const {
    TrainerOptions options;
    options.loop = loop;
    options.device = device;
    options.group = group;
    options.data = data;
    return options;
  }
};

/// Brings the processes together on what they all have to agree on. `check` is rank 0's.
Start make_start(const TrainRequest& request, const Folders& folders, Job& job,
                 distributed::Rendezvous& rendezvous, const std::function<void()>& check) {
  const distributed::ProcessEnvironment& environment = rendezvous.environment();
  require_same_start(rendezvous, job.visit());
  Start start;
  rendezvous.together([&] {
    start.device = distributed::device_of_process(request.device, environment);
    if (environment.is_root()) check();
    start.recipe = make_recipe(request, job, folders.model, start.device);
    for (int phase = 0; phase < start.recipe->phases(); ++phase) {
      require_independent_items(start.recipe->modules(phase), environment.world_size);
    }
  });
  start.data = agree_on_data(rendezvous, job.visit());
  start.group = distributed::make_process_group(rendezvous, start.device);
  return start;
}

/// Tries some steps of a run that is not made.
StepTiming time_steps(const TrainRequest& request, const Folders& folders, Job& job,
                      distributed::Rendezvous& rendezvous) {
  const Start start = make_start(request, folders, job, rendezvous, [] {});
  Trainer trainer(*start.recipe, start.trainer_options(job.loop()));
  const StepTime time = trainer.time_steps(request.time_steps);
  return {request.time_steps, time.seconds, time.waited / time.seconds,
          static_cast<double>(job.loop().steps) * time.seconds / 3600.0};
}

/// Runs `work`; what ends it is told in the run's log file too, where it was opened.
void noting_failure(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    // Nothing to say: another process has said it.
    if (*error.what() != '\0') log_error_to_files(error.what());
    throw;
  }
}

/// The run itself, once the options are known to be right.
void train(const TrainRequest& request, const Folders& folders, Job& job,
           distributed::Rendezvous& rendezvous, TrainReport& report) {
  const distributed::ProcessEnvironment& environment = rendezvous.environment();
  const LoopOptions& loop = job.loop();
  const Start start = make_start(request, folders, job, rendezvous,
                                 [&] { check_folders(folders, request.resume); });
  TrainerOptions options = start.trainer_options(loop);
  options.run_directory = folders.run;
  options.resume = request.resume;
  options.config = report.config;
  options.save_start = !request.init_from.empty();
  options.model_directory = folders.model;
  Trainer trainer(*start.recipe, options);
  if (environment.is_root()) {
    log_info("training " + request.network + ": " + std::to_string(report.parameters) +
             " parameters, " + std::to_string(loop.steps) + " steps of " +
             std::to_string(loop.batch_size) + " on " + start.device.str() +
             (environment.world_size == 1
                  ? ""
                  : ", " + std::to_string(environment.world_size) + " processes"));
  }
  report.metrics = trainer.run();
  report.steps = trainer.step();
  rendezvous.together([&] {
    if (!environment.is_root()) return;
    export_result(trainer, *start.recipe, folders.model);
    log_info("wrote " + request.network + " to " + folders.model.string());
  });
}

}  // namespace

const std::vector<std::string>& trainable_networks() {
  static const std::vector<std::string> names = {"vae", "lidm", "lvdm", "reid", "classifier"};
  return names;
}

config::VisitFunction training_options(const std::string& network) {
  std::shared_ptr<Job> job = make_job(network);
  return [job](config::Visitor& v) { job->visit()(v); };
}

config::Json check_config(const std::string& network, const fs::path& file) {
  const std::unique_ptr<Job> job = make_job(network);
  read_config(file, *job);
  validate(*job, file, false);
  return config::dump(job->visit());
}

TrainReport run_training(const TrainRequest& request) {
  if (request.time_steps > 0 && (!request.dry_run || request.resume)) {
    throw UsageError("train: --time-steps goes with --dry-run, and not with --resume");
  }
  const distributed::ProcessEnvironment environment =
      request.dry_run && request.time_steps == 0 ? distributed::ProcessEnvironment{}
                                                 : distributed::environment_from_variables();
  std::unique_ptr<Job> job = make_job(request.network);
  TrainReport report;
  const fs::path run_directory =
      request.out.empty() ? fs::path("runs") / request.network : request.out;
  const auto configure = [&] {
    report.config = complete_config(request, run_directory, *job);
    require_equal_shares(job->loop(), std::max(request.processes, environment.world_size));
  };
  // A config that is wrong is told by rank 0 alone, so the processes meet before it is thrown.
  const std::exception_ptr fault = failure_of(configure);
  if (environment.world_size == 1 && fault) std::rethrow_exception(fault);
  distributed::Rendezvous rendezvous(environment, timeouts(job->loop()));
  rendezvous.together([&] {
    if (fault) std::rethrow_exception(fault);
  });
  report.model_directory = job->output().model_directory.empty()
                               ? run_directory / "model"
                               : fs::path(job->output().model_directory);
  report.steps = job->loop().steps;
  report.parameters = job->parameter_count();
  const Folders folders{run_directory, report.model_directory};
  if (request.dry_run) {
    describe_one_process(request, std::max(request.processes, environment.world_size), report);
    if (environment.is_root()) try_start(request, folders, *job, report);
    if (request.time_steps > 0) report.timing = time_steps(request, folders, *job, rendezvous);
    return report;
  }
  noting_failure([&] { train(request, folders, *job, rendezvous, report); });
  return report;
}

}  // namespace echopath::training
