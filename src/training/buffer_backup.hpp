#pragma once

#include <torch/torch.h>

#include <utility>
#include <vector>

#include "echopath/training/recipe.hpp"

namespace echopath::training {

/// The buffers of modules (running statistics) as they are when this is made, to be put back where
/// a step is skipped: a forward pass changes them.
class BufferBackup {
 public:
  explicit BufferBackup(const std::vector<std::vector<NamedModule>>& modules) {
    for (const auto& of_phase : modules) {
      for (const NamedModule& module : of_phase) {
        for (const at::Tensor& buffer : module.module->buffers()) {
          copies_.emplace_back(buffer, buffer.clone());
        }
      }
    }
  }
  void put_back() const {
    const torch::NoGradGuard no_grad;
    for (const auto& [buffer, copy] : copies_) buffer.copy_(copy);
  }

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> copies_;
};

}  // namespace echopath::training
