#include "echopath/training/train.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>

#include "cli/config_kind.hpp"
#include "cli/resources.hpp"
#include "cli/verbs.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/core/text.hpp"
#include "echopath/distributed/environment.hpp"
#include "echopath/distributed/launcher.hpp"
#include "echopath/distributed/rendezvous.hpp"

namespace echopath::cli {
namespace {

struct Options {
  training::TrainRequest request;
  std::string config;
  int nproc = 1;
};

/// Throws UsageError on a network that cannot be trained here.
void check_network(const std::string& name) {
  const std::vector<std::string> known = available_networks();
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  if (name == "classifier") {
    throw UsageError("train classifier is not available in this version; available: " +
                     join(known, ", "));
  }
  const std::string nearest = nearest_name(name, known);
  throw UsageError(
      "train: unknown network '" + name + "'; " +
      (nearest.empty() ? "known: " + join(known, ", ") : "did you mean '" + nearest + "'?"));
}

config::Json to_json(const training::TrainReport& report, bool dry_run) {
  config::Json metrics = config::Json::object();
  for (const auto& [name, value] : report.metrics) metrics[name] = value;
  config::Json json = {{"dry_run", dry_run},
                       {"parameters", report.parameters},
                       {"memory_bytes", report.memory_bytes},
                       {"steps", report.steps}};
  if (dry_run) {
    json["missing"] = report.missing;
  } else {
    json["model_directory"] = report.model_directory.string();
    json["metrics"] = metrics;
  }
  json["config"] = report.config;
  return json;
}

void print_dry_run(const training::TrainReport& report) {
  std::cout << report.config.dump(2) << "\n\n";
  std::cout << "parameters  " << report.parameters << '\n'
            << "memory      about " << human_bytes(report.memory_bytes) << '\n'
            << "steps       " << report.steps << '\n';
  if (report.missing.empty()) {
    std::cout << "nothing is missing for a real run\n";
    return;
  }
  std::cout << "missing before a real run could start:\n";
  for (const std::string& line : report.missing) std::cout << "  " << line << '\n';
}

void print_done(const training::TrainReport& report) {
  std::cout << "trained " << report.steps << " steps; model in " << report.model_directory.string()
            << '\n';
  for (const auto& [name, value] : report.metrics) {
    std::cout << "  " << name << " = " << value << '\n';
  }
}

/// Runs this very command line as `nproc` processes. They tell what goes wrong themselves.
void launch(int nproc) {
  std::vector<std::string> arguments;
  std::ifstream command_line("/proc/self/cmdline", std::ios::binary);
  for (std::string argument; std::getline(command_line, argument, '\0');) {
    arguments.push_back(argument);
  }
  if (arguments.empty()) throw DeviceError("train: --nproc needs /proc to start the processes");
  arguments.front() = "/proc/self/exe";
  const int code = distributed::launch_local(nproc, arguments);
  if (code != 0) throw distributed::ToldByRoot(static_cast<ExitCode>(code));
}

void train(const Options& options, const CommonOptions& common) {
  training::TrainRequest request = options.request;
  check_network(request.network);
  request.processes = options.nproc;
  const auto environment = distributed::environment_from_variables();
  if (!request.dry_run && environment.world_size == 1 && options.nproc > 1) {
    return launch(options.nproc);
  }
  if (!request.dry_run && options.nproc > 1 && environment.world_size != options.nproc) {
    throw UsageError("train: --nproc " + std::to_string(options.nproc) + ", but torchrun or srun " +
                     "started " + std::to_string(environment.world_size) +
                     " processes; leave --nproc out");
  }
  if (!environment.is_root() && common.log_level != "debug" && common.log_level != "trace") {
    initialise_logging(common.log_level == "off" ? "off" : "error", true);
  }
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
      "train",
      "Trains one network: vae, lidm, lvdm, reid (classifier: not available in this version)",
      "echopath train lidm --config configs/phantom/lidm.json --set training.steps=2000",
      [options](const CommonOptions& common) { train(*options, common); });
  training::TrainRequest& request = options->request;
  verb.add_option("network", request.network, "vae, lidm, lvdm or reid")
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
                "report config, parameters, memory, steps and what is missing; write nothing");
  verb.add_option(
          "--nproc", options->nproc,
          "processes on this machine that share each batch, one per GPU where there are any; "
          "torchrun and srun start them instead")
      ->check(CLI::Range(1, 1024).description(""))
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace echopath::cli
