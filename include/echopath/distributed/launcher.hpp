#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace echopath::distributed {

struct LaunchOptions {
  /// How long the processes may take to save and leave once a signal came.
  std::chrono::milliseconds grace = std::chrono::minutes(10);
  /// How long the others may take to leave once one process has failed.
  std::chrono::milliseconds failure_grace = std::chrono::seconds(7);
};

/// Runs `argv` as `nproc` processes of one run on this machine and waits for them. Each gets
/// torchrun's variables (see environment_from_variables) and a share of the cores in
/// OMP_NUM_THREADS. Standard output of rank 0 passes through unchanged; every other line goes to
/// standard error behind "[rank i] ". SIGINT, SIGTERM and SIGUSR1 are passed on. When one process
/// fails, those that do not leave by themselves within a second are asked to stop, and killed after
/// `options.failure_grace`. A process that leaves with ExitCode::kInterrupted has saved and has not
/// failed.
///
/// Returns 0, or the exit code of the first process that failed; a process killed by a signal
/// counts as ExitCode::kDevice. Throws UsageError where `nproc` < 1 or `argv` is empty, DeviceError
/// where the processes cannot be started.
int launch_local(int nproc, const std::vector<std::string>& argv,
                 const LaunchOptions& options = {});

}  // namespace echopath::distributed
