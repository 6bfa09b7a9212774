#include "cli/launch.hpp"

#include <fstream>
#include <vector>

#include "echopath/core/errors.hpp"
#include "echopath/core/logging.hpp"
#include "echopath/distributed/environment.hpp"
#include "echopath/distributed/launcher.hpp"
#include "echopath/distributed/rendezvous.hpp"

namespace echopath::cli {
namespace {

std::vector<std::string> own_command_line(const std::string& verb) {
  std::vector<std::string> arguments;
  std::ifstream command_line("/proc/self/cmdline", std::ios::binary);
  for (std::string argument; std::getline(command_line, argument, '\0');) {
    arguments.push_back(argument);
  }
  if (arguments.empty()) {
    throw DeviceError(verb + ": --nproc needs /proc to start the processes");
  }
  arguments.front() = "/proc/self/exe";
  return arguments;
}

}  // namespace

bool launched_as_processes(const std::string& verb, int nproc) {
  if (nproc == 1) return false;
  const int started = distributed::environment_from_variables().world_size;
  if (started == nproc) return false;
  if (started > 1) {
    throw UsageError(verb + ": --nproc " + std::to_string(nproc) + ", but torchrun or srun " +
                     "started " + std::to_string(started) + " processes; leave --nproc out");
  }
  const int code = distributed::launch_local(nproc, own_command_line(verb));
  if (code != 0) throw distributed::ToldByRoot(static_cast<ExitCode>(code));
  return true;
}

void quieten_other_ranks(const CommonOptions& common) {
  const bool root = distributed::environment_from_variables().is_root();
  if (root || common.log_level == "debug" || common.log_level == "trace") return;
  initialise_logging(common.log_level == "off" ? "off" : "error", true);
}

}  // namespace echopath::cli
