#pragma once

#include <vector>

#include "echopath/training/optimizer.hpp"

namespace echopath::training {

struct SgdOptions {
  double momentum = 0.9;
  double weight_decay = 0.0;
};

/// Stochastic gradient descent with momentum as in PyTorch, through LibTorch's fused kernel:
/// v ← momentum·v + (g + weight_decay·w), w ← w − rate·v. State: `<name>.momentum`;
/// none without momentum.
class Sgd : public Optimizer {
 public:
  Sgd(std::vector<NamedParameter> parameters, const SgdOptions& options);

  void step(double learning_rate) override;
  io::TensorMap state() const override;

 private:
  std::vector<at::Tensor> momenta_;
  SgdOptions options_;
};

}  // namespace echopath::training
