#include <filesystem>
#include <memory>

#include "echopath/core/device.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/models/model_directory.hpp"
#include "echopath/models/weights.hpp"
#include "echopath/training/train.hpp"
#include "echopath/training/trainer.hpp"
#include "training/jobs.hpp"

namespace echopath::training {
namespace {

config::Json complete_config(const TrainRequest& request, Job& job) {
  if (!request.config.empty()) {
    require_file(request.config, "config");
    config::apply(config::read_json(request.config.string()), job.visit(), request.config.string());
  }
  std::vector<std::string> overrides = request.overrides;
  if (request.seed) overrides.push_back("training.seed=" + std::to_string(*request.seed));
  config::apply_overrides(overrides, job.visit());
  return config::dump(job.visit());
}

/// Weights, gradients, two Adam moments and the average, each float32, plus activations, taken as
/// the output of a forward pass's convolutions: a rough upper figure.
double memory_estimate(const Job& job, std::int64_t parameters) {
  return 5.0 * 4.0 * static_cast<double>(parameters) + job.activation_bytes();
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

TrainReport run_training(const TrainRequest& request) {
  std::unique_ptr<Job> job = make_job(request.network);
  TrainReport report;
  report.config = complete_config(request, *job);
  const LoopOptions& loop = job->loop();
  report.steps = loop.steps;
  report.parameters = job->parameter_count();
  report.memory_bytes = memory_estimate(*job, report.parameters);
  if (request.dry_run) {
    report.missing = job->missing();
    return report;
  }
  const fs::path run_directory =
      request.out.empty() ? fs::path("runs") / request.network : request.out;
  const at::Device device = parse_device(request.device);
  torch::manual_seed(static_cast<std::uint64_t>(loop.seed));
  const std::unique_ptr<Recipe> recipe = job->make_recipe(device);
  if (!request.init_from.empty()) job->initialise_from(request.init_from, *recipe);
  Trainer trainer(*recipe, {loop, run_directory, request.resume, device, report.config});
  log_info("training " + request.network + ": " + std::to_string(report.parameters) +
           " parameters, " + std::to_string(loop.steps) + " steps of " +
           std::to_string(loop.batch_size) + " on " + device.str());
  report.metrics = trainer.run();
  report.steps = trainer.step();
  report.model_directory = job->output().model_directory.empty()
                               ? run_directory / "model"
                               : fs::path(job->output().model_directory);
  if (recipe->keeps_best()) {
    trainer.restore_best();
    recipe->export_model(report.model_directory);
  } else {
    EmaScope averaged(trainer.ema());
    recipe->export_model(report.model_directory);
  }
  log_info("wrote " + request.network + " to " + report.model_directory.string());
  return report;
}

}  // namespace echopath::training
