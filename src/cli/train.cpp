#include "echopath/training/train.hpp"

#include <algorithm>
#include <iostream>

#include "cli/launch.hpp"
#include "cli/resources.hpp"
#include "cli/train_report.hpp"
#include "cli/verbs.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/text.hpp"
#include "echopath/distributed/environment.hpp"

namespace echopath::cli {
namespace {

struct Options {
  training::TrainRequest request;
  std::string config;
  int nproc = 1;
};

/// Throws UsageError on a network that cannot be trained here.
void check_network(const std::string& name) {
  const std::vector<std::string>& known = training::trainable_networks();
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  const std::string nearest = nearest_name(name, known);
  throw UsageError(
      "train: unknown network '" + name + "'; " +
      (nearest.empty() ? "known: " + join(known, ", ") : "did you mean '" + nearest + "'?"));
}

void train(const Options& options, const CommonOptions& common) {
  training::TrainRequest request = options.request;
  check_network(request.network);
  request.processes = options.nproc;
  const auto environment = distributed::environment_from_variables();
  const bool several = !request.dry_run || request.time_steps > 0;
  if (several && launched_as_processes("train", options.nproc)) return;
  quieten_other_ranks(common);
  if (!options.config.empty()) request.config = find_config(options.config);
  request.device = common.device;
  request.seed = common.seed;
  const training::TrainReport report = training::run_training(request);
  if (!environment.is_root()) return;
  if (common.json) {
    print_json(to_json(report, request.dry_run));
  } else if (request.dry_run) {
    print_dry_run(report);
  } else {
    print_done(report);
  }
}

}  // namespace

void add_train(Program& program) {
  auto options = std::make_shared<Options>();
  CLI::App& verb = program.add_verb(
      "train", "Trains one network: vae, lidm, lvdm, reid or classifier",
      "echopath train lidm --config configs/phantom/lidm.json --set training.steps=2000",
      [options](const CommonOptions& common) { train(*options, common); });
  training::TrainRequest& request = options->request;
  verb.add_option("network", request.network, "vae, lidm, lvdm, reid or classifier")
      ->required()
      ->type_name("NETWORK");
  verb.add_option("--config", options->config,
                  "config file; see `echopath config list` and `echopath config show NETWORK`")
      ->type_name("FILE");
  verb.add_option("--set", request.overrides, "overrides one key: training.learning_rate=1e-4")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  verb.add_option("--out", request.out, "run directory (default: runs/NETWORK)")->type_name("DIR");
  verb.add_flag("--resume", request.resume, "go on from the newest whole checkpoint of --out");
  verb.add_option("--init-from", request.init_from, "model directory whose weights to start from")
      ->type_name("DIR");
  verb.add_flag("--dry-run", request.dry_run,
                "report config, shapes, parameters, memory, steps and what is missing; write "
                "nothing");
  verb.add_option("--time-steps", request.time_steps,
                  "with --dry-run: try so many steps on the data, after one that is not counted, "
                  "and report how long they take and how long they wait for data")
      ->check(CLI::Range(1, 1'000'000).description(""))
      ->type_name("N");
  verb.add_option(
          "--nproc", options->nproc,
          "processes on this machine that share each batch, one per GPU where there are any; "
          "torchrun and srun start them instead")
      ->check(CLI::Range(1, 1024).description(""))
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace echopath::cli
