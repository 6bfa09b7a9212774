#pragma once

#include <string>

#include "cli/program.hpp"

namespace echopath::cli {

/// For verbs with `--nproc`: true where this very command line was run as `nproc` processes, which
/// have done everything and told what went wrong; false where this process is to do its share
/// (always so for `nproc` 1, and in processes that were started by torchrun, srun or this
/// function). Throws UsageError (naming `verb`) where `nproc` and the number of processes that
/// torchrun or srun started differ.
bool launched_as_processes(const std::string& verb, int nproc);

/// On other ranks than 0 nothing but errors is logged, unless the user debugs.
void quieten_other_ranks(const CommonOptions& common);

}  // namespace echopath::cli
