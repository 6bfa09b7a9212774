#pragma once

#include <functional>
#include <optional>
#include <string>

namespace echopath::distributed {

/// Where this process stands among the processes of one run.
struct ProcessEnvironment {
  int rank = 0;        ///< 0 … world_size−1
  int local_rank = 0;  ///< index among the processes of this machine; selects the GPU
  int world_size = 1;
  std::string master_address = "127.0.0.1";  ///< host of rank 0
  int master_port = 29500;                   ///< TCP port at which rank 0 listens
  bool store_is_there = false;  ///< torchrun's agent listens at that address instead of rank 0
  int attempt = 0;              ///< how often torchrun has started the processes again

  bool is_root() const { return rank == 0; }
  /// "host:port", for messages.
  std::string address() const { return master_address + ":" + std::to_string(master_port); }
};

/// Looks up one environment variable.
using VariableLookup = std::function<std::optional<std::string>(const std::string& name)>;

/// Reads torchrun's variables (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT), else those
/// that SLURM's `srun` gives to a step (SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID and the first
/// host of its node list), else answers a single process. A half-set or senseless set is a
/// DeviceError that names the variable.
ProcessEnvironment environment_from_variables();

/// The same from any source of variables.
ProcessEnvironment environment_from(const VariableLookup& lookup);

/// First host of a SLURM node list: "node[003-007,9],login" gives "node003". Empty for an empty
/// list.
std::string first_host(const std::string& node_list);

}  // namespace echopath::distributed
