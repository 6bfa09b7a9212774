#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "echopath/config/options.hpp"

namespace echopath::training {

/// The networks that can be trained, in the order of the pipeline.
const std::vector<std::string>& trainable_networks();

/// What `echopath train` was asked.
struct TrainRequest {
  std::string network;                 ///< one of trainable_networks()
  std::filesystem::path config;        ///< JSON file; empty for the defaults
  std::vector<std::string> overrides;  ///< `key=value` of --set
  std::filesystem::path out;           ///< run directory; empty: runs/<network>
  std::filesystem::path init_from;  ///< model directory whose weights to start from; may be empty
  bool resume = false;              ///< go on from the newest whole checkpoint of `out`
  bool dry_run = false;             ///< report only, write nothing, need no data
  int time_steps = 0;               ///< dry run: so many steps are tried on the data and timed
  int processes = 1;                ///< dry run: of how many processes the real run would be
  std::string device = "auto";
  std::optional<std::uint64_t> seed;  ///< overrides training.seed
};

/// Tensors by name, and their sizes.
using NamedShapes = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;

/// What the steps of a dry run took.
struct StepTiming {
  int steps = 0;  ///< that were timed, after one that was not
  double seconds_per_step = 0.0;
  double data_wait_share = 0.0;  ///< of that time, waiting for batches
  double hours_to_go = 0.0;      ///< all steps, without validations, samples and checkpoints
};

/// What came of it.
struct TrainReport {
  config::Json config;  ///< complete, after overrides
  std::int64_t parameters = 0;
  double memory_bytes = 0;  ///< of one process, estimate: weights, gradients, optimizer, EMA,
                            ///< activations
  double cache_bytes = 0;   ///< dry run: most memory that decoded videos take beside that
  std::int64_t steps = 0;   ///< to do (dry run) or done
  NamedShapes shapes;       ///< dry run: of a forward pass of one process
  std::int64_t training_items = 0;        ///< dry run: of an epoch; 0 where there are no data
  std::optional<StepTiming> timing;       ///< dry run with `time_steps`
  std::vector<std::string> missing;       ///< dry run: what a real run would lack
  std::filesystem::path model_directory;  ///< where the trained network was written
  std::vector<std::pair<std::string, double>> metrics;  ///< the last validation
};

/// Trains one network, as one of the processes that the environment tells of
/// (distributed/environment.hpp). Throws ConfigError, DataError, DeviceError, or Interrupted after
/// saving a checkpoint. Of several processes rank 0 alone throws what they all find or what any of
/// them finds before the first step; the others throw distributed::ToldByRoot.
TrainReport run_training(const TrainRequest& request);

/// Reads the config file of one network and checks it as `run_training` does; returns it complete.
/// Throws ConfigError naming the file and the keys that are wrong or contradict each other,
/// UsageError on an unknown network.
config::Json check_config(const std::string& network, const std::filesystem::path& file);

/// The options of one network with their defaults, for `config show` and the docs. The returned
/// function owns what it visits. Throws UsageError on an unknown network.
config::VisitFunction training_options(const std::string& network);

}  // namespace echopath::training
