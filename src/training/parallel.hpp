#pragma once

#include <memory>
#include <string>
#include <vector>

#include "echopath/distributed/process_group.hpp"
#include "echopath/training/options.hpp"
#include "echopath/training/recipe.hpp"

namespace echopath::training {

/// Throws ConfigError unless `processes` processes can share the batch equally.
void require_equal_shares(const LoopOptions& loop, int processes);

/// Throws UsageError where there are several processes and a module normalises over the batch: its
/// statistics would be those of one process's items.
void require_independent_items(const std::vector<NamedModule>& modules, int processes);

/// Throws ConfigError on rank 0 (ToldByRoot elsewhere) naming the rank that runs another program or
/// has another value of an option, and that option.
void require_same_start(distributed::Rendezvous& rendezvous, const config::VisitFunction& options);

/// What the data that the options name are, wherever they lie: the fingerprint of each folder
/// (data::fingerprint). Throws as require_same_start() does where another process has others.
std::string agree_on_data(distributed::Rendezvous& rendezvous,
                          const config::VisitFunction& options);

/// The forward passes of one step that fall to process `rank`: its slice of the global batch, in
/// micro-batches.
std::vector<MicroBatch> micro_batches(const LoopOptions& loop, std::int64_t step, int rank,
                                      int processes);

/// Seeds of the items of one forward pass, for dropout (nn::DropoutScope).
std::vector<std::uint64_t> item_seeds(std::int64_t seed, int phase, const MicroBatch& batch);

/// Adds `figures` times `share` to the figures of the same names and order in `total`.
void accumulate(const Figures& figures, double share, Figures& total);

/// Replaces figures, of the same names on every process, by their mean over the processes.
void average(Figures& figures, distributed::ProcessGroup& group);

/// Parameters of the modules in the order in which the forward pass uses them: a recipe lists what
/// conditions its network behind the network.
std::vector<at::Tensor> in_order_of_use(const std::vector<NamedModule>& modules);

/// Replaces tensors by those of rank 0, in place.
void broadcast_from_root(const io::TensorMap& tensors, distributed::ProcessGroup& group);

}  // namespace echopath::training
