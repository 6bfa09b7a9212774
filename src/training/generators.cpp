#include "training/generators.hpp"

#include <ATen/CPUGeneratorImpl.h>

#include <mutex>
#include <string>
#include <vector>

namespace echopath::training {
namespace {

/// A generator of this process, and what its state is called behind the rank.
struct NamedGenerator {
  std::string suffix;
  at::Generator generator;
};

std::vector<NamedGenerator> own_generators(at::Device device) {
  std::vector<NamedGenerator> generators = {{"", at::detail::getDefaultCPUGenerator()}};
  if (device.is_cuda()) {
    generators.push_back({".cuda", at::globalContext().defaultGenerator(device)});
  }
  return generators;
}

std::string name_of(int rank, const NamedGenerator& generator) {
  return "rank" + std::to_string(rank) + generator.suffix;
}

at::Tensor state_of(at::Generator generator) {
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return generator.get_state();
}

}  // namespace

io::TensorMap gather_generators(distributed::ProcessGroup& group, at::Device device) {
  io::TensorMap states;
  for (const NamedGenerator& own : own_generators(device)) {
    const std::vector<at::Tensor> all = group.all_gather(state_of(own.generator));
    for (int rank = 0; rank < group.size(); ++rank) {
      states[name_of(rank, own)] = all[static_cast<std::size_t>(rank)];
    }
  }
  return states;
}

void scatter_generators(const io::TensorMap& states, distributed::ProcessGroup& group,
                        at::Device device) {
  for (NamedGenerator& own : own_generators(device)) {
    std::vector<at::Tensor> all;
    for (int rank = 0; rank < group.size(); ++rank) {
      const auto found = states.find(name_of(rank, own));
      if (found != states.end()) all.push_back(found->second);
    }
    const bool fits = all.size() == static_cast<std::size_t>(group.size()) &&
                      states.count("rank" + std::to_string(group.size())) == 0;
    if (!group.any(fits)) continue;
    const at::Tensor shape = state_of(own.generator);
    if (!group.is_root()) all.assign(static_cast<std::size_t>(group.size()), at::empty_like(shape));
    std::vector<at::Tensor> stacked = {at::stack(all)};
    group.broadcast(stacked, 0);
    const std::lock_guard<std::mutex> lock(own.generator.mutex());
    own.generator.set_state(stacked.front()[group.rank()].clone());
  }
}

}  // namespace echopath::training
