#include "echopath/distributed/environment.hpp"

#include <charconv>
#include <cstdlib>
#include <limits>

#include "echopath/core/errors.hpp"

namespace echopath::distributed {
namespace {

constexpr int kMaximumPort = 65535;

int parse_integer(const std::string& name, const std::string& text, int minimum, int maximum) {
  int value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < minimum || value > maximum) {
    throw DeviceError("environment variable " + name + "='" + text +
                      "' should be a whole number from " + std::to_string(minimum) + " to " +
                      std::to_string(maximum));
  }
  return value;
}

int required_integer(const VariableLookup& lookup, const std::string& name,
                     const std::string& given, int minimum, int maximum) {
  const auto text = lookup(name);
  if (!text) {
    throw DeviceError("environment variable " + given + " is set but " + name +
                      " is not: start the processes with torchrun, srun or --nproc");
  }
  return parse_integer(name, *text, minimum, maximum);
}

int optional_integer(const VariableLookup& lookup, const std::string& name, int fallback,
                     int minimum, int maximum) {
  const auto text = lookup(name);
  return text ? parse_integer(name, *text, minimum, maximum) : fallback;
}

constexpr int kMaximumWorldSize = 1 << 20;

ProcessEnvironment from_torchrun(const VariableLookup& lookup) {
  ProcessEnvironment environment;
  environment.world_size = required_integer(lookup, "WORLD_SIZE", "RANK", 1, kMaximumWorldSize);
  environment.rank = required_integer(lookup, "RANK", "WORLD_SIZE", 0, environment.world_size - 1);
  environment.local_rank =
      optional_integer(lookup, "LOCAL_RANK", environment.rank, 0, environment.world_size - 1);
  if (environment.world_size > 1) {
    const auto address = lookup("MASTER_ADDR");
    if (!address || address->empty()) {
      throw DeviceError(
          "environment variable WORLD_SIZE is over 1 but MASTER_ADDR is not set: give the host "
          "name "
          "of rank 0");
    }
    environment.master_address = *address;
    environment.master_port =
        required_integer(lookup, "MASTER_PORT", "MASTER_ADDR", 1, kMaximumPort);
  }
  environment.store_is_there = lookup("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True";
  environment.attempt =
      optional_integer(lookup, "TORCHELASTIC_RESTART_COUNT", 0, 0, std::numeric_limits<int>::max());
  return environment;
}

/// A port that differs between the jobs of one machine.
int port_of_job(const VariableLookup& lookup) {
  constexpr int kFirst = 20000;
  constexpr int kCount = 20000;
  const int job = optional_integer(lookup, "SLURM_JOB_ID", 0, 0, std::numeric_limits<int>::max());
  return kFirst + job % kCount;
}

ProcessEnvironment from_slurm(const VariableLookup& lookup) {
  ProcessEnvironment environment;
  // SLURM_NTASKS is the job's; a step may have fewer.
  const std::string count =
      lookup("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
  environment.world_size = required_integer(lookup, count, "SLURM_PROCID", 1, kMaximumWorldSize);
  environment.rank = required_integer(lookup, "SLURM_PROCID", count, 0, environment.world_size - 1);
  environment.local_rank =
      optional_integer(lookup, "SLURM_LOCALID", 0, 0, environment.world_size - 1);
  environment.master_port =
      optional_integer(lookup, "MASTER_PORT", port_of_job(lookup), 1, kMaximumPort);
  // The launch address is where srun was typed, which is rank 0's machine only inside a batch
  // script, so the node list is asked first.
  std::string address = lookup("MASTER_ADDR").value_or("");
  for (const char* name : {"SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"}) {
    if (address.empty()) {
      address = first_host(lookup(name).value_or(""));
    }
  }
  if (address.empty()) {
    address = lookup("SLURM_LAUNCH_NODE_IPADDR").value_or("");
  }
  if (!address.empty()) {
    environment.master_address = address;
  } else if (environment.world_size > 1) {
    throw DeviceError(
        "SLURM gives neither SLURM_STEP_NODELIST nor SLURM_LAUNCH_NODE_IPADDR: set MASTER_ADDR to "
        "the host name of rank 0");
  }
  return environment;
}

/// A batch script sees the allocation's variables too, but only a step started by srun has a
/// launch address: a plain command in a batch script is one process.
bool is_slurm_step(const VariableLookup& lookup) {
  return lookup("SLURM_PROCID") &&
         (lookup("SLURM_LAUNCH_NODE_IPADDR") || lookup("SLURM_STEP_NODELIST"));
}

}  // namespace

std::string first_host(const std::string& node_list) {
  std::string host;
  bool inside_brackets = false;
  bool number_taken = false;  // of a bracket, only the first number counts
  for (const char c : node_list) {
    if (c == '[') {
      inside_brackets = true;
      number_taken = false;
    } else if (c == ']') {
      inside_brackets = false;
    } else if (inside_brackets) {
      number_taken = number_taken || c == '-' || c == ',';
      host += number_taken ? "" : std::string(1, c);
    } else if (c == ',') {
      break;
    } else {
      host += c;
    }
  }
  return host;
}

ProcessEnvironment environment_from(const VariableLookup& lookup) {
  if (lookup("RANK") || lookup("WORLD_SIZE")) {
    return from_torchrun(lookup);
  }
  return is_slurm_step(lookup) ? from_slurm(lookup) : ProcessEnvironment{};
}

ProcessEnvironment environment_from_variables() {
  return environment_from([](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  });
}

}  // namespace echopath::distributed
