#include "training/parallel.hpp"

#include <algorithm>
#include <numeric>

#include "echopath/core/build_info.hpp"
#include "echopath/core/errors.hpp"
#include "echopath/core/files.hpp"
#include "echopath/core/random.hpp"
#include "echopath/core/text.hpp"
#include "echopath/data/fingerprint.hpp"
#include "training/preflight.hpp"

namespace echopath::training {
namespace {

/// What must be the same on every process: one line each.
std::vector<std::string> description(const config::VisitFunction& options) {
  std::vector<std::string> lines = {"the program is version " + version() + " (SHA-256 " +
                                    sha256_file("/proc/self/exe").substr(0, 12) + "…)"};
  for (const config::OptionDescription& row : config::describe(options)) {
    lines.push_back(row.key + " is " + one_line(row.default_value));
  }
  return lines;
}

/// "<ours> on rank 0 and <theirs> on rank 2", of the first line that differs; empty where none
/// does.
std::string first_difference(const std::vector<std::string>& ours,
                             const std::vector<std::string>& theirs, std::size_t rank) {
  for (std::size_t i = 0; i < std::max(ours.size(), theirs.size()); ++i) {
    const std::string left = i < ours.size() ? ours[i] : "there is no such option";
    const std::string right = i < theirs.size() ? theirs[i] : "there is no such option";
    if (left != right)
      return left + " on rank 0, but " + right + " on rank " + std::to_string(rank);
  }
  return {};
}

/// A folder of data that the options name, and what it holds.
struct DataFolder {
  std::string key;
  std::string path;
  std::string fingerprint;
};

std::vector<DataFolder> data_folders(const config::VisitFunction& options) {
  std::vector<DataFolder> folders;
  for (const config::OptionDescription& row : config::describe(options)) {
    if (!is_data_path(row.key)) continue;
    const config::Json value = config::Json::parse(row.default_value);
    for (const config::Json& folder : value.is_array() ? value : config::Json::array({value})) {
      const std::string path = folder.get<std::string>();
      if (!path.empty()) folders.push_back({row.key, path, data::fingerprint(path)});
    }
  }
  return folders;
}

/// Throws ConfigError on rank 0 (ToldByRoot elsewhere) naming the first of these lines that another
/// process has otherwise.
void require_agreement(distributed::Rendezvous& rendezvous, const std::vector<std::string>& lines,
                       const std::string& remedy) {
  const std::vector<std::string> all = rendezvous.exchange(join(lines, "\n"));
  const std::vector<std::string> ours = split(all[0], '\n');
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    const std::string difference = first_difference(ours, split(all[rank], '\n'), rank);
    if (difference.empty()) continue;
    distributed::throw_once(
        rendezvous.environment().is_root(),
        ConfigError("the processes of a run must agree: " + difference + "; " + remedy));
  }
}

bool normalises_over_the_batch(const torch::nn::Module& module) {
  for (const auto& item : module.named_buffers()) {
    const std::string& name = item.key();
    if (name.size() >= 12 && name.compare(name.size() - 12, 12, "running_mean") == 0) return true;
  }
  return false;
}

}  // namespace

void require_equal_shares(const LoopOptions& loop, int processes) {
  if (loop.batch_size % processes == 0) return;
  throw ConfigError("training.batch_size is " + std::to_string(loop.batch_size) + ", which " +
                    std::to_string(processes) +
                    " processes cannot share equally; use a multiple of " +
                    std::to_string(processes) + " or another number of processes");
}

void require_independent_items(const std::vector<NamedModule>& modules, int processes) {
  if (processes == 1) return;
  for (const NamedModule& module : modules) {
    if (!normalises_over_the_batch(*module.module)) continue;
    throw UsageError("'" + module.name +
                     "' has batch normalisation, whose statistics are those of one process's "
                     "items: train it with one process");
  }
}

void require_same_start(distributed::Rendezvous& rendezvous, const config::VisitFunction& options) {
  if (rendezvous.environment().world_size == 1) return;
  require_agreement(rendezvous, description(options),
                    "start every process with the same program, config and options");
}

std::string agree_on_data(distributed::Rendezvous& rendezvous,
                          const config::VisitFunction& options) {
  std::vector<DataFolder> folders;
  rendezvous.together([&] { folders = data_folders(options); });
  std::vector<std::string> with_place, without_place;
  for (const DataFolder& folder : folders) {
    with_place.push_back("'" + folder.path + "' holds " + folder.fingerprint);
    without_place.push_back(folder.key + ": " + folder.fingerprint);
  }
  if (rendezvous.environment().world_size > 1) {
    require_agreement(rendezvous, with_place, "give every node the same data");
  }
  return join(without_place, ", ");
}

std::vector<MicroBatch> micro_batches(const LoopOptions& loop, std::int64_t step, int rank,
                                      int processes) {
  const std::int64_t share = loop.batch_size / processes;
  const std::int64_t micro =
      loop.micro_batch_size > 0 ? std::min(loop.micro_batch_size, share) : share;
  const std::int64_t end = (rank + 1) * share;
  std::vector<MicroBatch> batches;
  for (std::int64_t first = rank * share; first < end; first += micro) {
    MicroBatch batch{step, {}};
    batch.positions.resize(static_cast<std::size_t>(std::min(micro, end - first)));
    std::iota(batch.positions.begin(), batch.positions.end(), first);
    batches.push_back(std::move(batch));
  }
  return batches;
}

std::vector<std::uint64_t> item_seeds(std::int64_t seed, int phase, const MicroBatch& batch) {
  const auto of_phase =
      derived_seed(static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(phase));
  const auto of_step = derived_seed(of_phase, static_cast<std::uint64_t>(batch.step));
  std::vector<std::uint64_t> seeds;
  for (const std::int64_t position : batch.positions) {
    seeds.push_back(derived_seed(of_step, static_cast<std::uint64_t>(position)));
  }
  return seeds;
}

void accumulate(const Figures& figures, double share, Figures& total) {
  for (std::size_t i = 0; i < figures.size(); ++i) {
    if (i == total.size()) total.emplace_back(figures[i].first, 0.0);
    total[i].second += figures[i].second * share;
  }
}

void average(Figures& figures, distributed::ProcessGroup& group) {
  std::vector<double> values;
  for (const auto& [name, value] : figures) values.push_back(value);
  std::vector<at::Tensor> tensors = {at::tensor(values, at::kDouble)};
  group.all_reduce_mean(tensors);
  for (std::size_t i = 0; i < figures.size(); ++i) {
    figures[i].second = tensors[0][static_cast<std::int64_t>(i)].item<double>();
  }
}

std::vector<at::Tensor> in_order_of_use(const std::vector<NamedModule>& modules) {
  std::vector<at::Tensor> tensors;
  const std::vector<NamedModule> reversed(modules.rbegin(), modules.rend());
  for (const NamedParameter& parameter : named_parameters(reversed)) {
    tensors.push_back(parameter.tensor);
  }
  return tensors;
}

void broadcast_from_root(const io::TensorMap& tensors, distributed::ProcessGroup& group) {
  torch::NoGradGuard no_grad;
  std::vector<at::Tensor> list;
  for (const auto& [name, tensor] : tensors) list.push_back(tensor);
  group.broadcast(list, 0);
}

}  // namespace echopath::training
